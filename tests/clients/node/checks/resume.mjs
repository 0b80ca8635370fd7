// Lines that break in the middle, and what must not be lost.
import assert from "node:assert/strict";

import { Link, MSGPACK_V1, PATIENCE_MS, Session } from "../bridge.mjs";
import { Editor } from "../editor.mjs";
import { closes, identify, normalMap, TOOL } from "./expect.mjs";

/** An editor that was shown a popup. */
async function advised({ info, root, files: [file] }) {
  const editor = new Editor(info, root, [file]);
  await editor.connect();
  editor.report();
  return { editor, popup: await editor.popup() };
}

async function comesBack(editor, more) {
  editor.session.drop();
  const before = editor.session.id;
  const ready = await editor.connect(more);
  assert.deepEqual([ready.resumed, ready.session], [true, before]);
  return ready;
}

export const checks = {
  async "an answer that went with the line is sent again and acted on once"(world) {
    const { editor, popup } = await advised(world);
    editor.answer(popup, "apply");
    await comesBack(editor);
    editor.answer(popup, "apply");
    const { reason } = await editor.confirmed(popup);
    assert.ok(["answered", "unknown"].includes(reason), reason);
    const command = await editor.command();
    editor.obey(command);
    editor.session.handled(command);
    const told = await editor.popup();
    assert.equal(told.seq, command.seq + 1, "a second command came");
    return reason;
  },

  async "a command comes again with its number until it is answered"(world) {
    const { editor, popup } = await advised(world);
    editor.answer(popup, "apply");
    const first = await editor.command();
    await comesBack(editor);
    const second = await editor.command();
    assert.deepEqual([second.seq, second.id], [first.seq, first.id]);
    assert.deepEqual(JSON.stringify(second.args), JSON.stringify(first.args));
    editor.obey(second);
    editor.session.handled(second);
    await editor.popup();
  },

  async "a command whose answer was lost comes again although it was handled"(world) {
    const { editor, popup } = await advised(world);
    editor.answer(popup, "apply");
    const command = await editor.command();
    const answer = editor.carryOut(command);
    editor.kept.set(command.id, answer);
    editor.session.lastSeq = command.seq; // handled, but the line breaks before the answer goes out
    await comesBack(editor);
    const again = await editor.command();
    assert.ok(again.seq <= editor.session.lastSeq || again.id === command.id);
    editor.obey(again);
    await editor.popup();
    assert.equal(editor.carriedOut, 1);
  },

  async "the result of an open request waits for the client"({ info, root, files }) {
    const session = new Session(info, { client: TOOL });
    await session.connect();
    const inputs = [{ name: "map", data: normalMap({ root, files }) }];
    const id = session.ask("image.inspect", {}, inputs, { cache: false });
    const quick = session.ask("bridge.echo", { value: "quick" }); // once it is answered, both have arrived
    await session.link.take((m) => m.type === "result" && m.id === quick, "an echo");
    session.drop();
    await session.connect();
    const answer = await session.answered(id);
    assert.equal(answer.type, "result", answer.message);
    return answer.seq;
  },

  async "unacknowledged results come again in order, and acknowledged ones don't"({ info }) {
    const session = new Session(info, { client: TOOL });
    await session.connect();
    const ids = [1, 2, 3].map((value) => session.ask("bridge.echo", { value }));
    for (const id of ids) await session.link.take((m) => m.type === "result" && m.id === id, "a result");
    session.lastSeq = 1;
    session.link.send({ type: "ack", seq: 1 });
    session.drop();
    const seen = [];
    session.onarrival = (m) => m.seq && seen.push(m.seq);
    await session.connect();
    await session.run("bridge.echo", { value: 4 });
    assert.deepEqual(seen, [2, 3, 4]);
  },

  async "open popups come again to a restarted editor under their ids"(world) {
    const { editor, popup } = await advised(world);
    await comesBack(editor, { instance: "restarted" });
    const again = await editor.popup();
    assert.equal(again.id, popup.id);
    assert.ok(again.seq > popup.seq);
    editor.link.send({ type: "answer", id: popup.id, state: "dismissed" });
    await editor.confirmed(popup);
  },

  async "popups on the screen of the same run don't come again"(world) {
    const { editor, popup } = await advised(world);
    await comesBack(editor);
    const echo = editor.session.ask("bridge.echo");
    await editor.session.answered(echo);
    assert.ok(!editor.link.inbox.some((m) => m.type === "popup"));
    editor.answer(popup, "later");
    await editor.confirmed(popup);
  },

  async "who comes second takes the session, and the first is closed with 4011"({ info }) {
    const session = new Session(info, { client: TOOL });
    await session.connect();
    const first = session.link;
    const ready = await session.connect();
    assert.equal(ready.resumed, true);
    return closes(first, 4011);
  },

  async "a wrong resume token is 4011"({ info }) {
    const session = new Session(info, { client: TOOL });
    const { session: id } = await session.connect();
    session.drop();
    const link = await Link.open(info);
    link.send(identify(link, { resume: { session: id, token: "wrong", last_seq: 0 } }));
    return closes(link, 4011);
  },

  async "a resumption whose ready was lost can be tried again"({ info }) {
    const session = new Session(info, { client: TOOL });
    await session.connect();
    session.drop();
    const link = await Link.open(info, MSGPACK_V1);
    const resume = { session: session.id, token: session.token, last_seq: 0 };
    link.send(identify(link, { instance: session.fields.instance, resume }));
    await link.take((m) => m.type === "ready", "ready", PATIENCE_MS); // and its token is forgotten
    link.ws.drop();
    assert.equal((await session.connect()).resumed, true);
  },
};
