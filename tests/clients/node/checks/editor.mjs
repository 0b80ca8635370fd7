// From a wrong import to the applied settings and back.
import assert from "node:assert/strict";

import { get, JSON_V1, MSGPACK_V1, sha256 } from "../bridge.mjs";
import { Editor, OPTIONS } from "../editor.mjs";

const pressed = (popup, label) => popup.actions.find((action) => action.label.split(" ")[0] === label)?.id;

/** The popup is whole and names the file. */
async function isAdvice(info, popup, file) {
  assert.ok(popup.title && popup.body.includes(file), JSON.stringify(popup));
  assert.ok(popup.actions.filter((action) => action.default).length <= 1);
  const image = await get(info, popup.image);
  assert.deepEqual([image.status, sha256(image.body)], [200, popup.image]);
}

async function whole({ info, root, files: [file] }, protocol) {
  const editor = new Editor(info, root, [file], protocol);
  const options = editor.files.get(`res://${file}`);
  const ready = await editor.connect();
  assert.deepEqual([ready.resumed, ready.adapter.engine, ready.adapter.exact], [false, "godot", true]);

  editor.report();
  const popup = await editor.popup();
  await isAdvice(info, popup, file);
  editor.answer(popup, pressed(popup, "Fix"));
  assert.equal((await editor.confirmed(popup)).reason, "answered");

  const command = await editor.command();
  assert.equal(command.name, "texture.apply");
  assert.deepEqual(command.args.changes.map((change) => change.path), [`res://${file}`]);
  editor.obey(command);
  editor.session.handled(command);
  assert.equal(options["compress/normal_map"], 1);

  const told = await editor.popup();
  assert.equal(told.seq, command.seq + 1);
  editor.answer(told, pressed(told, "Undo"));
  await editor.confirmed(told);
  const undo = await editor.command();
  editor.obey(undo);
  editor.session.handled(undo);
  assert.deepEqual(options, OPTIONS);
  return { title: popup.title, then: told.title };
}

export const checks = {
  "a wrong normal map is advised on, applied and undone over msgpack": (world) => whole(world, MSGPACK_V1),
  "a wrong normal map is advised on, applied and undone over JSON": (world) => whole(world, JSON_V1),

  async "one import of several frames makes one popup"({ info, root, files }) {
    const editor = new Editor(info, root, files);
    await editor.connect();
    editor.report();
    const popup = await editor.popup();
    editor.answer(popup, pressed(popup, "Fix"));
    const command = await editor.command();
    const paths = command.args.changes.map((change) => change.path);
    assert.deepEqual(paths.sort(), [...editor.files.keys()].sort());
    return popup.title;
  },

  async "an action that the popup doesn't have is 4005, and the popup stays open"({ info, root, files: [file] }) {
    const editor = new Editor(info, root, [file]);
    await editor.connect();
    editor.report();
    const popup = await editor.popup();
    editor.answer(popup, "explode");
    const { code, reason } = await editor.link.closed();
    assert.equal(code, 4005);
    assert.ok(reason.includes("action"), reason);
    assert.equal((await editor.connect()).resumed, true);
    editor.link.send({ type: "answer", id: popup.id, state: "dismissed" });
    assert.equal((await editor.confirmed(popup)).reason, "dismissed");
    return reason;
  },

  async "an answer to no popup is confirmed as unknown"({ info, root, files: [file] }) {
    const editor = new Editor(info, root, [file]);
    await editor.connect();
    editor.answer({ id: 77 }, "apply");
    assert.equal((await editor.confirmed({ id: 77 })).reason, "unknown");
  },

  async "an engine newer than any is served with a notice, and an unknown one without adapter"({ info, root }) {
    const newer = new Editor(info, root, []);
    const ready = await newer.connect({ engine: { name: "godot", version: "9.1.stable" } });
    assert.equal(ready.adapter.exact, false);
    assert.ok(ready.notice);
    const other = new Editor(info, root, []);
    const without = await other.connect({ engine: { name: "node-engine", version: "1" } });
    assert.equal(without.adapter, undefined);
    return { newer: ready.notice, other: without.notice };
  },
};
