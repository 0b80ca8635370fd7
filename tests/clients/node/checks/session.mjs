// Identifying, what hello and ready say, and the heartbeat.
import assert from "node:assert/strict";

import { JSON_V1, Link, MSGPACK_V1 } from "../bridge.mjs";
import { alive, closes, identified, identify } from "./expect.mjs";

export const checks = {
  async "hello and ready hold what they must"({ info }) {
    assert.equal(info.protocol, 1);
    const link = await identified(info);
    const { hello, ready } = link;
    assert.equal(hello.protocol, 1);
    for (const feature of ["blobs", "popups", "resume"]) assert.ok(hello.features.includes(feature), feature);
    assert.ok(hello.limits.frame >= 65536 && hello.limits.inline >= 0 && hello.limits.inflight >= 1);
    assert.deepEqual([...hello.auth.methods].sort(), ["proof", "token"]);
    assert.ok(hello.auth.proof && ready.http_token);
    assert.ok(ready.scopes.includes("editor"));
    assert.equal(ready.resumed, false);
    assert.ok(ready.session && ready.resume_token);
    const names = ready.workloads.map(({ name }) => name);
    for (const name of ["bridge.echo", "image.inspect", "image.thumbnail"]) assert.ok(names.includes(name), name);
    assert.equal(ready.adapter, undefined);
    return names;
  },

  async "the token itself is taken from older clients"({ info }) {
    const link = await Link.open(info, JSON_V1);
    link.send(identify(link, { auth: { token: info.token } }));
    await link.take((m) => m.type === "ready", "ready");
    await alive(link);
  },

  async "a daemon that doesn't know the token is told nothing"({ info }) {
    await assert.rejects(Link.open({ ...info, token: `${info.token}x` }), /another program/);
    await assert.rejects(Link.open({ ...info, fingerprint: "00".repeat(32) }), /another program/);
  },

  async "unknown fields are passed over"({ info }) {
    for (const protocol of [MSGPACK_V1, JSON_V1]) {
      const link = await identified(info, protocol, { mood: { very: ["good"] } });
      link.send({ type: "event", name: "test.unknown", data: {}, later: 1 });
      await alive(link);
    }
  },

  async "pings are answered, and who doesn't is dropped"({ info }) {
    const [answering, silent] = [await identified(info), await identified(info)];
    silent.ws.pongs = false;
    const heartbeats = (count) => count * 1000 * answering.hello.heartbeat_s;
    const { code } = await silent.closed(heartbeats(4) + 5000);
    assert.ok(answering.ws.pings >= 1, "no ping came");
    await alive(answering);
    return { code, pings: answering.ws.pings };
  },

  async "who doesn't identify is closed with 4007 after 10 s"({ info }) {
    const started = Date.now();
    const link = await Link.open(info);
    const reason = await closes(link, 4007, "", 15_000);
    const seconds = (Date.now() - started) / 1000;
    assert.ok(seconds > 9 && seconds < 12, `after ${seconds} s`);
    return reason;
  },
};
