// The protocol of PopBridge in TypeScript, without dependencies: messages, MessagePack and proofs.
// It runs in browsers and in Node 20 and later.

// <constants>

/** A whole number; a bigint beyond 2^53. */
export type Int = number | bigint;
/** What a field of any content may hold. */
export type Value = null | boolean | Int | string | Uint8Array | Value[] | { [key: string]: Value };

/** A frame isn't a valid message. */
export class ProtocolError extends Error {
  /** `code` is the close code for it, `field` the path of the field at fault. */
  constructor(readonly code: number, readonly field: string, reason: string) {
    super(`${field || "message"}: ${reason}`);
  }
}

// <records>

interface Spec {
  readonly kind: string;
  readonly low?: number;
  readonly high?: number;
  readonly choices?: readonly string[];
  readonly record?: string;
  readonly digest?: boolean;
  readonly required?: boolean;
  readonly item?: Spec;
}

/** Returns the frame of a message. Fields that are undefined are left out. */
export function encode(message: ClientMessage): Uint8Array {
  return pack(message as unknown as Value);
}

/** Returns the daemon's message in a frame. Throws ProtocolError. */
export function decode(frame: Uint8Array): ServerMessage {
  return read(frame, SERVER_MESSAGES) as unknown as ServerMessage;
}

/** Returns a client's message in a frame, as a server would. Throws ProtocolError. */
export function decodeClient(frame: Uint8Array): ClientMessage {
  return read(frame, CLIENT_MESSAGES) as unknown as ClientMessage;
}

type Fields = { [key: string]: Value };

function read(frame: Uint8Array, known: Readonly<Record<string, string>>): Fields {
  const value = unpack(frame);
  if (!isMap(value)) throw new ProtocolError(CLOSE_WRONG_TYPE, "message", "expected a map");
  if (!("type" in value)) throw new ProtocolError(CLOSE_MISSING_FIELD, "type", "is missing");
  if (typeof value.type !== "string") throw new ProtocolError(CLOSE_WRONG_TYPE, "type", "expected text");
  const name = Object.prototype.hasOwnProperty.call(known, value.type) ? known[value.type] : undefined;
  if (name === undefined) throw new ProtocolError(CLOSE_UNKNOWN_TYPE, "type", `${value.type} isn't known`);
  return { type: value.type, ...record(name, value, "") };
}

function isMap(value: Value): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function record(name: string, value: Value, path: string): Fields {
  if (!isMap(value)) throw new ProtocolError(CLOSE_WRONG_TYPE, path || "message", "expected a map");
  const found: Fields = {};
  for (const [key, field] of Object.entries(FIELDS[name] as Record<string, Spec>)) {
    const at = path ? `${path}.${key}` : key;
    if (key in value) found[key] = checked(field, value[key] as Value, at);
    else if (field.required) throw new ProtocolError(CLOSE_MISSING_FIELD, at, "is missing");
  }
  return found;
}

const KINDS: Readonly<Record<string, (value: Value) => boolean>> = {
  int: value => typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value)),
  float: value => typeof value === "number" || typeof value === "bigint",
  str: value => typeof value === "string",
  bool: value => typeof value === "boolean",
  bytes: value => value instanceof Uint8Array,
  list: value => Array.isArray(value),
  map: isMap,
};

function checked(field: Spec, value: Value, at: string): Value {
  if (field.kind === "any") return value;
  if (field.kind === "record") return record(field.record as string, value, at);
  if (!(KINDS[field.kind] as (value: Value) => boolean)(value)) {
    throw new ProtocolError(CLOSE_WRONG_TYPE, at, `expected ${field.kind}`);
  }
  if (field.kind === "float" && !Number.isFinite(Number(value))) {
    throw new ProtocolError(CLOSE_WRONG_VALUE, at, "isn't finite");
  }
  const size = sizeOf(value);
  if ((field.low !== undefined && size < field.low) || (field.high !== undefined && size > field.high)) {
    throw new ProtocolError(CLOSE_WRONG_VALUE, at, "out of range");
  }
  const isWrong = field.digest ? !/^[0-9a-f]{64}$/.test(value as string) : field.choices?.includes(value as string) === false;
  if (isWrong) throw new ProtocolError(CLOSE_WRONG_VALUE, at, "isn't allowed");
  const item = field.item;
  return item && Array.isArray(value) ? value.map((one, index) => checked(item, one, `${at}[${index}]`)) : value;
}

function sizeOf(value: Value): number {
  if (typeof value === "string") return [...value].length;
  if (typeof value === "number" || typeof value === "bigint") return Number(value);
  return Array.isArray(value) ? value.length : 0;
}

/** Returns a value as MessagePack. Throws TypeError for a type that the protocol lacks. */
export function pack(value: Value): Uint8Array {
  const out = new Writer();
  out.value(value, 0);
  return out.bytes.subarray(0, out.count);
}

class Writer {
  bytes = new Uint8Array(256);
  count = 0;
  private view = new DataView(this.bytes.buffer);

  value(value: Value, depth: number): void {
    if (depth > MAX_NESTING) throw new TypeError(`nested deeper than ${MAX_NESTING}`);
    if (value === null) this.byte(0xc0);
    else if (typeof value === "boolean") this.byte(value ? 0xc3 : 0xc2);
    else if (typeof value === "bigint") this.int(value);
    else if (typeof value === "number") Number.isSafeInteger(value) && !Object.is(value, -0) ? this.int(BigInt(value)) : this.float(value);
    else if (typeof value === "string") this.raw(new TextEncoder().encode(value), 0xa0, 31, [0xd9, 0xda, 0xdb]);
    else if (value instanceof Uint8Array) this.raw(value, 0, -1, [0xc4, 0xc5, 0xc6]);
    else if (Array.isArray(value)) {
      this.length(value.length, 0x90, 15, [0, 0xdc, 0xdd]);
      for (const one of value) this.value(one, depth + 1);
    } else if (typeof value === "object") {
      const entries = Object.entries(value).filter(([, one]) => one !== undefined);
      this.length(entries.length, 0x80, 15, [0, 0xde, 0xdf]);
      for (const [key, one] of entries) {
        this.value(key, depth);
        this.value(one, depth + 1);
      }
    } else throw new TypeError(`${typeof value} can't be sent`);
  }

  private int(value: bigint): void {
    if (value < -(2n ** 63n) || value >= 2n ** 64n) throw new TypeError("a number of more than 64 bits can't be sent");
    if (value >= 0n && value < 0x80n) this.byte(Number(value));
    else if (value < 0n && value >= -32n) this.byte(Number(value) & 0xff);
    else {
      const isNegative = value < 0n;
      const bits = [8n, 16n, 32n, 64n].find(each => (isNegative ? value >= -(1n << (each - 1n)) : value < 1n << each)) as bigint;
      const step = { "8": 0, "16": 1, "32": 2, "64": 3 }[String(bits)] as number;
      this.head((isNegative ? 0xd0 : 0xcc) + step, BigInt.asUintN(64, value), Number(bits) / 8);
    }
  }

  private float(value: number): void {
    this.byte(0xcb);
    this.reserve(8);
    this.view.setFloat64(this.count, value);
    this.count += 8;
  }

  private raw(data: Uint8Array, fixed: number, most: number, heads: [number, number, number]): void {
    this.length(data.length, fixed, most, heads);
    this.reserve(data.length);
    this.bytes.set(data, this.count);
    this.count += data.length;
  }

  private length(count: number, fixed: number, most: number, [head8, head16, head32]: [number, number, number]): void {
    if (count <= most) this.byte(fixed | count);
    else if (head8 && count < 0x100) this.head(head8, BigInt(count), 1);
    else if (count < 0x10000) this.head(head16, BigInt(count), 2);
    else this.head(head32, BigInt(count), 4);
  }

  private head(head: number, value: bigint, bytes: number): void {
    this.byte(head);
    for (let shift = BigInt(8 * (bytes - 1)); shift >= 0n; shift -= 8n) this.byte(Number((value >> shift) & 0xffn));
  }

  private byte(value: number): void {
    this.reserve(1);
    this.bytes[this.count++] = value;
  }

  private reserve(more: number): void {
    if (this.count + more <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.bytes.length, this.count + more));
    larger.set(this.bytes);
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}

/** Returns the value in `data`. Throws ProtocolError if it isn't exactly one value. */
export function unpack(data: Uint8Array): Value {
  const input = new Reader(data);
  const value = input.value(0);
  if (input.left > 0) throw undecodable(`${input.left} bytes after the value`);
  return value;
}

const undecodable = (reason: string): ProtocolError => new ProtocolError(CLOSE_UNDECODABLE, "", reason);

class Reader {
  private at = 0;
  private readonly view: DataView;
  private readonly text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  constructor(private readonly data: Uint8Array) {
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  get left(): number {
    return this.data.length - this.at;
  }

  value(depth: number): Value {
    if (depth > MAX_NESTING) throw undecodable(`nested deeper than ${MAX_NESTING}`);
    const head = this.view.getUint8(this.skip(1));
    if (head < 0x80) return head;
    if (head < 0x90) return this.map(head & 15, depth);
    if (head < 0xa0) return this.list(head & 15, depth);
    if (head < 0xc0) return this.string(head & 31);
    if (head >= 0xe0) return head - 256;
    switch (head) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6: return this.part(this.length(1 << (head - 0xc4))).slice();
      case 0xca: return this.view.getFloat32(this.skip(4));
      case 0xcb: return this.view.getFloat64(this.skip(8));
      case 0xcc: return this.view.getUint8(this.skip(1));
      case 0xcd: return this.view.getUint16(this.skip(2));
      case 0xce: return this.view.getUint32(this.skip(4));
      case 0xcf: return small(this.view.getBigUint64(this.skip(8)));
      case 0xd0: return this.view.getInt8(this.skip(1));
      case 0xd1: return this.view.getInt16(this.skip(2));
      case 0xd2: return this.view.getInt32(this.skip(4));
      case 0xd3: return small(this.view.getBigInt64(this.skip(8)));
      case 0xd9: case 0xda: case 0xdb: return this.string(this.length(1 << (head - 0xd9)));
      case 0xdc: case 0xdd: return this.list(this.length(2 << (head - 0xdc)), depth);
      case 0xde: case 0xdf: return this.map(this.length(2 << (head - 0xde)), depth);
      default: throw undecodable(`MessagePack type ${head} isn't used here`);
    }
  }

  private skip(count: number): number {
    if (count > this.left) throw undecodable("the frame is cut off");
    this.at += count;
    return this.at - count;
  }

  /** What is counted takes a byte each at least: a length of billions must not be believed. */
  private length(bytes: number): number {
    const from = this.skip(bytes);
    const count = bytes === 1 ? this.view.getUint8(from) : bytes === 2 ? this.view.getUint16(from) : this.view.getUint32(from);
    if (count > this.left) throw undecodable("the frame is cut off");
    return count;
  }

  private part(count: number): Uint8Array {
    const from = this.skip(count);
    return this.data.subarray(from, from + count);
  }

  private string(count: number): string {
    try {
      return this.text.decode(this.part(count));
    } catch (error) {
      throw error instanceof ProtocolError ? error : undecodable("text that isn't UTF-8");
    }
  }

  private list(count: number, depth: number): Value[] {
    if (count > this.left) throw undecodable("the frame is cut off");
    return Array.from({ length: count }, () => this.value(depth + 1));
  }

  private map(count: number, depth: number): Fields {
    if (2 * count > this.left) throw undecodable("the frame is cut off");
    // Without a prototype, so that no key means anything else.
    const found = Object.create(null) as Fields;
    for (let each = 0; each < count; each++) {
      const key = this.value(depth + 1);
      if (typeof key !== "string") throw new ProtocolError(CLOSE_WRONG_TYPE, "", "map keys must be text");
      found[key] = this.value(depth + 1);
    }
    return found;
  }
}

const small = (value: bigint): Int =>
  value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(value) : value;

/** What both sides sign: the token's id, both nonces, and the certificate's SHA-256 in hex, empty without TLS. */
export interface Exchange {
  tokenId: string;
  clientNonce: string;
  serverNonce: string;
  fingerprint?: string;
}

/** Returns what the daemon proves itself with in `hello.auth.proof`, in hex (RFC 5802 without salt). */
export async function serverProof(token: string, exchange: Exchange): Promise<string> {
  const key = await hmac(utf8(token), "Server Key");
  return hex(await hmac(key, signed("server", exchange)));
}

/** Returns what the client proves itself with in `identify.auth.proof`, in hex. */
export async function clientProof(token: string, exchange: Exchange): Promise<string> {
  const key = await hmac(utf8(token), "Client Key");
  const stored = new Uint8Array(await crypto.subtle.digest("SHA-256", key));
  const signature = await hmac(stored, signed("client", exchange));
  return hex(key.map((each, index) => each ^ (signature[index] as number)));
}

const utf8 = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(new TextEncoder().encode(text));
const hex = (bytes: Uint8Array): string => Array.from(bytes, each => each.toString(16).padStart(2, "0")).join("");
const signed = (side: string, { tokenId, clientNonce, serverNonce, fingerprint = "" }: Exchange): string =>
  [side, tokenId, clientNonce, serverNonce, fingerprint].join(":");

async function hmac(key: Uint8Array<ArrayBuffer>, message: string): Promise<Uint8Array<ArrayBuffer>> {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, utf8(message)));
}
