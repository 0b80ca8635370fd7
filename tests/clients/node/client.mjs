// A client of the bridge, written from docs/reference/protocol.md and docs/reference/editor-contract.md alone.
// usage: node client.mjs PROJECT_ROOT NORMAL_MAP... (below the root); prints one JSON line a check.
import { readConnection, Session } from "./bridge.mjs";
import * as blobs from "./checks/blobs.mjs";
import * as codec from "./checks/codec.mjs";
import * as editor from "./checks/editor.mjs";
import { TOOL } from "./checks/expect.mjs";
import * as refusals from "./checks/refusals.mjs";
import * as requests from "./checks/requests.mjs";
import * as resume from "./checks/resume.mjs";
import * as session from "./checks/session.mjs";
import * as vectors from "./checks/vectors.mjs";

const [root, ...files] = process.argv.slice(2);
let failed = 0;

async function check(name, body) {
  let line;
  try {
    line = { check: name, ok: true, detail: (await body()) ?? null };
  } catch (error) {
    failed += 1;
    line = { check: name, ok: false, detail: String(error.stack ?? error) };
  }
  console.log(JSON.stringify(line));
}

process.on("unhandledRejection", () => {}); // a link's end that nobody waits for

const info = readConnection();
// Open until the end, for HTTP.
const { http_token: httpToken } = await new Session(info, { client: TOOL }).connect();
const world = { info: { ...info, httpToken }, root, files };
for (const group of [codec, refusals, vectors, session, blobs, requests, editor, resume]) {
  for (const [name, body] of Object.entries(group.checks)) await check(name, () => body(world));
}
process.exit(failed ? 1 : 0);
