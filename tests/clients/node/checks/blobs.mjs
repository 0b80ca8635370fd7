// Bytes over HTTP.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

import { get, put, sha256, web } from "../bridge.mjs";

const bytes = randomBytes(100_000);
const name = sha256(bytes);

/** The refusal says something to people. */
function tells({ body }) {
  const { message } = JSON.parse(body.toString());
  assert.ok(message.length > 0);
  return message;
}

export const checks = {
  async "health needs no token"({ info }) {
    const { status, body } = await web(info, "GET", "/health", { token: null });
    assert.equal(status, 200);
    const health = JSON.parse(body.toString());
    assert.deepEqual(health, { status: "ok" });
  },

  async "a blob is put, looked at and read back"({ info }) {
    assert.equal((await get(info, name)).status, 404);
    assert.equal((await put(info, bytes)).status, 201);
    assert.equal((await put(info, bytes)).status, 200);
    const looked = await web(info, "HEAD", `/blobs/${name}`);
    assert.deepEqual([looked.status, looked.headers["content-length"]], [200, "100000"]);
    assert.equal(looked.headers.etag, `"${name}"`);
    const read = await get(info, name);
    assert.deepEqual([read.status, read.headers.etag], [200, `"${name}"`]);
    assert.ok(read.body.equals(bytes));
  },

  async "parts of a blob are read by Range"({ info }) {
    const parts = { "bytes=10-19": [10, 20], "bytes=99990-": [99_990], "bytes=-5": [-5], "bytes=99999-200000": [-1] };
    for (const [range, [from, to]] of Object.entries(parts)) {
      const { status, body, headers } = await get(info, name, { Range: range });
      assert.equal(status, 206, range);
      assert.ok(body.equals(bytes.subarray(from, to)), range);
      assert.match(headers["content-range"], /^bytes \d+-\d+\/100000$/);
    }
  },

  async "ranges outside are refused and malformed ones passed over"({ info }) {
    const outside = await get(info, name, { Range: "bytes=100000-" });
    assert.equal(outside.status, 416);
    const malformed = await get(info, name, { Range: "bytes=x-y" });
    assert.deepEqual([malformed.status, malformed.body.length], [200, 100_000]);
  },

  async "a blob that one has is HTTP 304"({ info }) {
    const { status, body } = await get(info, name, { "If-None-Match": `"${name}"` });
    assert.deepEqual([status, body.length], [304, 0]);
  },

  async "a chunked PUT is taken"({ info }) {
    const other = randomBytes(5000);
    const headers = { "Transfer-Encoding": "chunked" };
    const { status } = await web(info, "PUT", `/blobs/${sha256(other)}`, { headers, body: other });
    assert.equal(status, 201);
    assert.ok((await get(info, sha256(other))).body.equals(other));
  },

  async "wrong names, bytes, tokens and hosts are refused"({ info }) {
    const found = {};
    const refuse = async (what, status, ...request) => {
      const answer = await web(info, ...request);
      assert.equal(answer.status, status, `${what}: ${answer.status} ${answer.body}`);
      found[what] = tells(answer);
    };
    await refuse("name", 400, "PUT", "/blobs/abc", { body: bytes });
    await refuse("upper case", 400, "GET", `/blobs/${name.toUpperCase()}`);
    await refuse("other bytes", 400, "PUT", `/blobs/${sha256("other")}`, { body: bytes });
    await refuse("missing", 404, "GET", `/blobs/${sha256("missing")}`);
    await refuse("no token", 401, "GET", `/blobs/${name}`, { token: null });
    await refuse("wrong token", 401, "PUT", `/blobs/${name}`, { token: "wrong", body: bytes });
    await refuse("host", 403, "GET", `/blobs/${name}`, { headers: { Host: "example.org" } });
    return found;
  },
};
