// An editor in memory, as docs/reference/editor-contract.md wants it: its files' options, its commands, its popups.
import { randomUUID } from "node:crypto";
import path from "node:path";

import { Session } from "./bridge.mjs";

// What Godot 4.6 gives a texture that nobody configured.
export const OPTIONS = {
  "compress/mode": 0,
  "compress/high_quality": false,
  "compress/lossy_quality": 0.7,
  "compress/uastc_level": 0,
  "compress/rdo_quality_loss": 0.0,
  "compress/hdr_compression": 1,
  "compress/normal_map": 0,
  "compress/channel_pack": 0,
  "mipmaps/generate": false,
  "mipmaps/limit": -1,
  "roughness/mode": 0,
  "roughness/src_normal": "",
  "process/channel_remap/red": 0,
  "process/channel_remap/green": 1,
  "process/channel_remap/blue": 2,
  "process/channel_remap/alpha": 3,
  "process/fix_alpha_border": true,
  "process/premult_alpha": false,
  "process/normal_map_invert_y": false,
  "process/hdr_as_srgb": false,
  "process/hdr_clamp_exposure": false,
  "process/size_limit": 0,
  "detect_3d/compress_to": 0,
};

export class Editor {
  constructor(info, root, files, protocol) {
    this.files = new Map(files.map((file) => [`res://${file}`, { ...OPTIONS }]));
    this.kept = new Map(); // a command's id: its answer
    this.carriedOut = 0;
    this.session = new Session(info, this.identity(path.resolve(root)), protocol);
    this.batch = 0;
  }

  identity(root) {
    return {
      client: { kind: "editor", name: "Godot", version: "4.6" },
      engine: { name: "godot", version: "4.6.stable" },
      project: { id: `node-${randomUUID()}`, name: "Node", root },
      locale: "en",
    };
  }

  get link() {
    return this.session.link;
  }

  async connect(more) {
    return this.session.connect(more);
  }

  /** Tells of an import of all files, one frame a file. */
  report() {
    this.batch += 1;
    const paths = [...this.files.keys()];
    paths.forEach((name, i) => {
      const asset = { path: name, file: name.slice("res://".length), type: "texture", options: this.files.get(name) };
      const data = { batch: this.batch, more: i < paths.length - 1, assets: [asset] };
      this.link.send({ type: "event", name: "asset.imported", data });
    });
  }

  /** The next popup; shown, so handled. */
  async popup() {
    const popup = await this.link.take((m) => m.type === "popup", "a popup");
    this.session.handled(popup);
    return popup;
  }

  answer(popup, action) {
    this.link.send({ type: "answer", id: popup.id, state: "answered", action });
  }

  confirmed(popup) {
    return this.link.take((m) => m.type === "popup_close" && m.id === popup.id, "popup_close");
  }

  command() {
    return this.link.take((m) => m.type === "command", "a command");
  }

  /** Carries the command out once; sends its answer, or the kept one. */
  obey(command) {
    if (!this.kept.has(command.id)) this.kept.set(command.id, this.carryOut(command));
    this.link.send({ ...this.kept.get(command.id), id: command.id });
  }

  carryOut({ name, args }) {
    this.carriedOut += 1;
    if (name === "texture.apply" || name === "texture.revert") return { type: "result", value: this.apply(args.changes) };
    return { type: "error", code: "unsupported", message: `${name}: this editor doesn't know it.` };
  }

  apply(changes) {
    const observed = { before: [], after: [], errors: [] };
    for (const change of changes) {
      const options = this.files.get(change.path);
      if (!options) {
        observed.errors.push({ path: change.path, message: "There is no such file." });
        continue;
      }
      const keys = this.stillDue(change, options, observed.errors);
      if (!keys.length) continue;
      const seen = () => Object.fromEntries(keys.map((key) => [key, options[key] ?? null]));
      observed.before.push({ path: change.path, options: seen() });
      for (const key of keys) {
        if (change.options[key] === null) delete options[key];
        else options[key] = change.options[key];
      }
      observed.after.push({ path: change.path, options: seen() });
    }
    return observed;
  }

  /** Names of what is to be set: what somebody has set since an earlier command is left as it is. */
  stillDue({ path: name, options: wanted, expected = {} }, options, errors) {
    const isSet = (key) => key in expected && ![expected[key], wanted[key]].includes(options[key] ?? null);
    for (const key of Object.keys(wanted).filter(isSet)) {
      errors.push({ path: name, message: `${key} has changed since: left as it is.` });
    }
    return Object.keys(wanted).filter((key) => !isSet(key));
  }
}
