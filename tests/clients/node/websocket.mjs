// RFC 6455 from the client's side, over a plain TCP connection; no extensions.
import { createHash, randomBytes } from "node:crypto";
import net from "node:net";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** The handshake was refused; `status` and `body` are the server's. */
export class Refused extends Error {
  constructor(status, body) {
    super(`HTTP ${status}: ${body}`);
    this.status = status;
    this.body = body;
  }
}

function frame(opcode, payload, fin = true) {
  const length = payload.length;
  const head = Buffer.alloc(length < 126 ? 2 : length < 0x10000 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | opcode;
  head[1] = 0x80 | (length < 126 ? length : length < 0x10000 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  const mask = randomBytes(4);
  const masked = Buffer.from(payload);
  for (let i = 0; i < length; i += 1) masked[i] ^= mask[i & 3];
  return Buffer.concat([head, mask, masked]);
}

export class WebSocket {
  /** Resolves once the handshake is done; rejects with Refused, or with the socket's error. */
  static open(url, protocols, headers = {}) {
    const { hostname, port, host, pathname, search } = new URL(url);
    const key = randomBytes(16).toString("base64");
    const lines = {
      Host: host,
      Upgrade: "websocket",
      Connection: "Upgrade",
      "Sec-WebSocket-Key": key,
      "Sec-WebSocket-Version": 13,
      ...(protocols.length ? { "Sec-WebSocket-Protocol": protocols.join(", ") } : {}),
      ...headers,
    };
    const ask = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host: hostname, port: Number(port), noDelay: true });
      new WebSocket(socket, key, resolve, reject);
      socket.write(`GET ${pathname}${search} HTTP/1.1\r\n${ask.join("")}\r\n`);
    });
  }

  constructor(socket, key, resolve, reject) {
    this.socket = socket;
    this.rest = Buffer.alloc(0);
    this.parts = [];
    this.pings = 0;
    this.pongs = true; // whether pings are answered
    this.early = []; // what came with the handshake, before anybody listened
    this.onmessage = (bytes) => this.early.push(bytes);
    this.closed = new Promise((done) => {
      this.end = done;
    });
    this.handshake = { accept: createHash("sha1").update(key + GUID).digest("base64"), resolve, reject };
    socket.on("data", (data) => this.take(data));
    socket.on("error", (error) => this.lost(error));
    socket.on("end", () => this.lost(new Error("the connection ended")));
    socket.on("close", () => this.lost(new Error("the connection closed")));
  }

  lost(error) {
    if (this.handshake) this.refuse(error);
    this.handshake = null;
    this.end({ code: 1006, reason: String(error.message) });
    this.socket.destroy();
  }

  /** What came before the end is the refusal, if it is an answer at all. */
  refuse(error) {
    const [head, body = ""] = this.rest.toString().split("\r\n\r\n");
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
    this.handshake.reject(status ? new Refused(status, body) : error);
  }

  take(data) {
    this.rest = Buffer.concat([this.rest, data]);
    if (this.handshake && !this.opened()) return;
    while (this.frame());
  }

  opened() {
    const end = this.rest.indexOf("\r\n\r\n");
    if (end < 0) return false;
    const head = this.rest.subarray(0, end).toString("latin1");
    if (!head.startsWith("HTTP/1.1 101")) {
      const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? Infinity);
      if (this.rest.length >= end + 4 + length) this.lost(new Error("refused"));
      return false;
    }
    const field = (name) => new RegExp(`^${name}: *(.*)$`, "im").exec(head)?.[1].trim();
    if (field("sec-websocket-accept") !== this.handshake.accept) {
      this.lost(new Error("Sec-WebSocket-Accept is wrong"));
      return false;
    }
    this.protocol = field("sec-websocket-protocol");
    this.extensions = field("sec-websocket-extensions");
    this.rest = this.rest.subarray(end + 4);
    const { resolve } = this.handshake;
    this.handshake = null;
    resolve(this);
    return true;
  }

  /** Handles one frame, if a whole one has come. */
  frame() {
    if (this.rest.length < 2) return false;
    const short = this.rest[1] & 0x7f;
    const start = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (this.rest.length < start) return false;
    const length =
      short < 126 ? short : short === 126 ? this.rest.readUInt16BE(2) : Number(this.rest.readBigUInt64BE(2));
    if (this.rest.length < start + length) return false;
    const [first] = this.rest;
    const payload = this.rest.subarray(start, start + length);
    this.rest = this.rest.subarray(start + length);
    this.handle(first & 0x0f, payload, (first & 0x80) !== 0);
    return true;
  }

  handle(opcode, payload, fin) {
    if (opcode === CLOSE) return this.farewell(payload);
    if (opcode === PING) {
      this.pings += 1;
      if (this.pongs) this.socket.write(frame(PONG, payload));
    } else if (opcode === CONTINUATION || opcode === TEXT || opcode === BINARY) {
      if (opcode !== CONTINUATION) this.opcode = opcode;
      this.parts.push(payload);
      if (!fin) return;
      const whole = Buffer.concat(this.parts);
      this.parts = [];
      this.onmessage(whole, this.opcode);
    }
  }

  farewell(payload) {
    const code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
    this.end({ code, reason: payload.subarray(2).toString() });
    if (!this.socket.destroyed) this.socket.end(frame(CLOSE, payload.subarray(0, 2)));
  }

  send(payload, opcode) {
    this.socket.write(frame(opcode, payload));
  }

  sendFragments(payload, opcode, count) {
    const size = Math.ceil(payload.length / count);
    for (let i = 0; i < count; i += 1) {
      const part = payload.subarray(i * size, (i + 1) * size);
      this.socket.write(frame(i === 0 ? opcode : CONTINUATION, part, i === count - 1));
    }
  }

  /** Says goodbye with 1000. */
  close() {
    this.socket.write(frame(CLOSE, Buffer.from([0x03, 0xe8])));
  }

  /** Cuts the line without a word. */
  drop() {
    this.socket.destroy();
  }
}
