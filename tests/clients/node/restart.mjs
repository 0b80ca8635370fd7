// A client that outlives its daemon: shown a popup, it waits for the next daemon and answers there.
// usage: node restart.mjs PROJECT_ROOT NORMAL_MAP; prints `shown`, then one JSON line a check.
import assert from "node:assert/strict";

import { PATIENCE_MS, readConnection, within } from "./bridge.mjs";
import { Editor } from "./editor.mjs";

const [root, file] = process.argv.slice(2);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Reads connection.json before each attempt, and waits longer after each. */
async function comesBack(editor) {
  for (let wait = 250; ; wait = Math.min(2 * wait, 8000)) {
    await sleep(wait * (1 + Math.random() / 4));
    try {
      editor.session.info = readConnection();
      return await editor.connect();
    } catch (error) {
      if (!["ENOENT", "ECONNREFUSED", "ECONNRESET"].includes(error.code)) throw error;
    }
  }
}

async function survives() {
  const editor = new Editor(readConnection(), root, [file]);
  const first = await editor.connect();
  const server = editor.link.hello.server.instance;
  editor.report();
  const popup = await editor.popup();
  console.log("shown");
  const { code } = await editor.link.closed();
  const again = await within(comesBack(editor), PATIENCE_MS, "the next daemon");
  assert.deepEqual([again.resumed, again.session], [true, first.session]);
  assert.notEqual(editor.link.hello.server.instance, server);
  editor.answer(popup, popup.actions.find((action) => action.label === "Fix").id);
  await editor.confirmed(popup);
  const command = await editor.command();
  assert.ok(command.seq > popup.seq, `${command.seq} comes after ${popup.seq}`);
  editor.obey(command);
  editor.session.handled(command);
  const told = await editor.popup();
  assert.equal(editor.files.get(`res://${file}`)["compress/normal_map"], 1);
  assert.ok(told.id > popup.id);
  return { code, title: told.title };
}

process.on("unhandledRejection", () => {}); // the lost link's end
let line = { check: "an answer reaches the next daemon", ok: true };
try {
  line.detail = await survives();
} catch (error) {
  line = { ...line, ok: false, detail: String(error.stack ?? error) };
}
console.log(JSON.stringify(line));
process.exit(line.ok ? 0 : 1);
