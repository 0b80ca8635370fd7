// A bridge as a client sees it: where it is, a link to it, a session that survives links, its blobs.
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";

import * as msgpack from "./msgpack.mjs";
import { BINARY, TEXT, WebSocket } from "./websocket.mjs";

export const JSON_V1 = "bridge.v1.json";
export const MSGPACK_V1 = "bridge.v1.msgpack";
export const PATIENCE_MS = 30_000;

export function connectionFile(env = process.env) {
  const home = os.homedir();
  const folder = () => {
    if (env.POPBRIDGE_HOME) return env.POPBRIDGE_HOME;
    if (process.platform === "win32") return path.join(env.LOCALAPPDATA, "popbridge", "run");
    if (process.platform === "darwin") return path.join(home, "Library/Application Support/popbridge/run");
    if (env.XDG_RUNTIME_DIR) return path.join(env.XDG_RUNTIME_DIR, "popbridge");
    return path.join(home, ".local/share/popbridge/run");
  };
  return path.join(folder(), "connection.json");
}

export const readConnection = () => JSON.parse(readFileSync(connectionFile(), "utf8"));

const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
export const tokenId = (token) => token.slice(0, token.indexOf("."));

/** The proofs of both sides that they know `token`, in hex (docs/reference/protocol.md#authentication). */
export function proofs(token, clientNonce, serverNonce, fingerprint) {
  const message = [tokenId(token), clientNonce, serverNonce, fingerprint ?? ""].join(":");
  const clientKey = hmac(token, "Client Key");
  const signature = hmac(createHash("sha256").update(clientKey).digest(), `client:${message}`);
  return {
    server: hmac(hmac(token, "Server Key"), `server:${message}`).toString("hex"),
    client: clientKey.map((byte, at) => byte ^ signature[at]).toString("hex"),
  };
}

/** The `auth` of an identify on this link, once the daemon has proved that it knows the token. */
function prove(info, link) {
  const { nonce, proof = "" } = link.hello.auth;
  const { server, client } = proofs(info.token, link.nonce, nonce, info.fingerprint);
  if (proof.length !== server.length || !timingSafeEqual(Buffer.from(proof), Buffer.from(server))) {
    link.ws.drop();
    throw new Error("another program answers on the daemon's port");
  }
  return { id: tokenId(info.token), nonce: link.nonce, proof: client };
}

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** `promise`, or an error after `ms`. */
export function within(promise, ms, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** One WebSocket connection: messages in and out, by either subprotocol. */
export class Link {
  static async open(info, protocol = MSGPACK_V1) {
    const nonce = randomBytes(32).toString("hex");
    const url = `${info.ws}?token=${tokenId(info.token)}&nonce=${nonce}`;
    const link = new Link(await WebSocket.open(url, [protocol]));
    link.nonce = nonce;
    link.hello = await link.take((m) => m.type === "hello", "hello");
    link.auth = prove(info, link);
    return link;
  }

  constructor(ws) {
    this.ws = ws;
    this.inbox = [];
    this.waiting = [];
    this.binary = ws.protocol === MSGPACK_V1;
    ws.onmessage = (bytes) => this.arrived(this.binary ? msgpack.decode(bytes) : JSON.parse(bytes.toString()));
    for (const bytes of ws.early) ws.onmessage(bytes);
  }

  arrived(message) {
    this.onarrival?.(message);
    const at = this.waiting.findIndex(({ wanted }) => wanted(message));
    if (at < 0) this.inbox.push(message);
    else this.waiting.splice(at, 1)[0].resolve(message);
  }

  /** The first message that is `wanted`, come already or still to come. */
  take(wanted, what, ms = PATIENCE_MS) {
    const at = this.inbox.findIndex(wanted);
    if (at >= 0) return Promise.resolve(this.inbox.splice(at, 1)[0]);
    const entry = { wanted };
    const come = new Promise((resolve) => {
      entry.resolve = resolve;
      this.waiting.push(entry);
    });
    const gone = this.ws.closed.then(({ code, reason }) => {
      throw new Error(`closed with ${code} (${reason}) while waiting for ${what}`);
    });
    return within(Promise.race([come, gone]), ms, what).finally(() => {
      this.waiting = this.waiting.filter((other) => other !== entry);
    });
  }

  pack(message) {
    return this.binary ? msgpack.encode(message) : Buffer.from(JSON.stringify(message));
  }

  send(message) {
    this.raw(this.pack(message));
  }

  raw(bytes, opcode = this.binary ? BINARY : TEXT) {
    this.ws.send(bytes, opcode);
  }

  /** {code, reason} with which the server closes. */
  closed(ms = PATIENCE_MS) {
    return within(this.ws.closed, ms, "the close");
  }
}

/** What a client keeps from link to link. */
export class Session {
  constructor(info, fields, protocol = MSGPACK_V1) {
    this.info = info;
    this.protocol = protocol;
    this.fields = { protocol: 1, instance: randomBytes(8).toString("hex"), ...fields };
    this.lastSeq = 0;
    this.ids = 0;
  }

  async connect(more = {}) {
    this.link = await Link.open(this.info, this.protocol);
    this.link.onarrival = (message) => this.onarrival?.(message);
    const resume = this.id && { session: this.id, token: this.token, last_seq: this.lastSeq };
    this.link.send({ type: "identify", ...this.fields, auth: this.link.auth, resume, ...more });
    const ready = await this.link.take((m) => m.type === "ready", "ready");
    [this.id, this.token] = [ready.session, ready.resume_token];
    return ready;
  }

  handled(message) {
    this.lastSeq = Math.max(this.lastSeq, message.seq);
    this.link.send({ type: "ack", seq: this.lastSeq });
  }

  ask(workload, params = {}, inputs = [], more = {}) {
    this.ids += 1;
    this.link.send({ type: "request", id: this.ids, workload, params, inputs, ...more });
    return this.ids;
  }

  /** The `result` or `error` of request `id`, acknowledged. */
  async answered(id) {
    const final = (m) => (m.type === "result" || m.type === "error") && m.id === id;
    const message = await this.link.take(final, `the answer of request ${id}`);
    this.handled(message);
    return message;
  }

  run(...asked) {
    return this.answered(this.ask(...asked));
  }

  drop() {
    this.link.ws.drop();
  }
}

/** One HTTP request: {status, headers, body}; a `token` of null sends none. */
export function web(info, method, place, { headers = {}, body, token = info.httpToken } = {}) {
  const auth = token === null ? {} : { Authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const ask = http.request(info.http + place, { method, headers: { ...auth, ...headers } }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("error", reject);
      answer.on("end", () =>
        resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) }),
      );
    });
    ask.on("error", reject);
    ask.end(body);
  });
}

export const put = (info, bytes) => web(info, "PUT", `/blobs/${sha256(bytes)}`, { body: bytes });
export const get = (info, name, headers) => web(info, "GET", `/blobs/${name}`, { headers });
