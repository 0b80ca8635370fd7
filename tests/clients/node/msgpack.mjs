// The part of msgpack that the protocol uses: no extension types. Bytes are Buffers, 64-bit integers BigInts.

/** A number that goes out as float 64 although it is whole. */
export class Float {
  constructor(value) {
    this.value = value;
  }
}

const uint = (tag, bytes, value) => {
  const out = Buffer.alloc(1 + bytes, tag);
  if (bytes === 8) out.writeBigUInt64BE(BigInt(value), 1);
  else out.writeUIntBE(value, 1, bytes);
  return out;
};

const int = (tag, bytes, value) => {
  const out = Buffer.alloc(1 + bytes, tag);
  if (bytes === 8) out.writeBigInt64BE(BigInt(value), 1);
  else out.writeIntBE(value, 1, bytes);
  return out;
};

function whole(value) {
  if (value >= 0) {
    if (value < 0x80) return Buffer.of(Number(value));
    if (value < 0x100) return uint(0xcc, 1, Number(value));
    if (value < 0x10000) return uint(0xcd, 2, Number(value));
    if (value < 0x100000000) return uint(0xce, 4, Number(value));
    return uint(0xcf, 8, value);
  }
  if (value >= -0x20) return Buffer.of(Number(value) & 0xff);
  if (value >= -0x80) return int(0xd0, 1, Number(value));
  if (value >= -0x8000) return int(0xd1, 2, Number(value));
  if (value >= -0x80000000) return int(0xd2, 4, Number(value));
  return int(0xd3, 8, value);
}

function float(value) {
  const out = Buffer.alloc(9, 0xcb);
  out.writeDoubleBE(value, 1);
  return out;
}

/** The head of something with a length; `tags` are those for 8, 16 and 32 bits (0 for none). */
function head(length, fix, most, [tag8, tag16, tag32]) {
  if (length <= most) return Buffer.of(fix | length);
  if (tag8 && length < 0x100) return uint(tag8, 1, length);
  return length < 0x10000 ? uint(tag16, 2, length) : uint(tag32, 4, length);
}

function pieces(value, out) {
  if (value === null) out.push(Buffer.of(0xc0));
  else if (typeof value === "boolean") out.push(Buffer.of(value ? 0xc3 : 0xc2));
  else if (typeof value === "bigint") out.push(whole(value));
  else if (value instanceof Float) out.push(float(value.value));
  else if (typeof value === "number") out.push(Number.isSafeInteger(value) ? whole(value) : float(value));
  else if (typeof value === "string") {
    const text = Buffer.from(value);
    out.push(head(text.length, 0xa0, 31, [0xd9, 0xda, 0xdb]), text);
  } else if (Buffer.isBuffer(value)) {
    out.push(head(value.length, 0, -1, [0xc4, 0xc5, 0xc6]), value);
  } else if (Array.isArray(value)) {
    out.push(head(value.length, 0x90, 15, [0, 0xdc, 0xdd]));
    for (const item of value) pieces(item, out);
  } else {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    out.push(head(entries.length, 0x80, 15, [0, 0xde, 0xdf]));
    for (const [key, item] of entries) {
      pieces(key, out);
      pieces(item, out);
    }
  }
  return out;
}

export const encode = (value) => Buffer.concat(pieces(value, []));

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  take(count) {
    if (this.at + count > this.bytes.length) throw new Error("msgpack ends too early");
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  uint(bytes) {
    return this.take(bytes).readUIntBE(0, bytes);
  }

  text(length) {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.take(length));
  }

  list(length) {
    return Array.from({ length }, () => this.value());
  }

  map(length) {
    // No prototype, as "__proto__" is a key like any other.
    const out = Object.create(null);
    for (let left = length; left > 0; left -= 1) {
      const key = this.value();
      if (typeof key !== "string") throw new Error("a map's key is no text");
      out[key] = this.value();
    }
    return out;
  }

  value() {
    const tag = this.uint(1);
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.map(tag & 0x0f);
    if (tag < 0xa0) return this.list(tag & 0x0f);
    if (tag < 0xc0) return this.text(tag & 0x1f);
    if (tag >= 0xe0) return tag - 0x100;
    const read = TAGS[tag];
    if (!read) throw new Error(`msgpack tag 0x${tag.toString(16)} isn't used`);
    return read(this);
  }
}

const small = (big) => (Number.isSafeInteger(Number(big)) ? Number(big) : big);

const TAGS = {
  0xc0: () => null,
  0xc2: () => false,
  0xc3: () => true,
  0xc4: (r) => Buffer.from(r.take(r.uint(1))),
  0xc5: (r) => Buffer.from(r.take(r.uint(2))),
  0xc6: (r) => Buffer.from(r.take(r.uint(4))),
  0xca: (r) => r.take(4).readFloatBE(),
  0xcb: (r) => r.take(8).readDoubleBE(),
  0xcc: (r) => r.uint(1),
  0xcd: (r) => r.uint(2),
  0xce: (r) => r.uint(4),
  0xcf: (r) => small(r.take(8).readBigUInt64BE()),
  0xd0: (r) => r.take(1).readInt8(),
  0xd1: (r) => r.take(2).readInt16BE(),
  0xd2: (r) => r.take(4).readInt32BE(),
  0xd3: (r) => small(r.take(8).readBigInt64BE()),
  0xd9: (r) => r.text(r.uint(1)),
  0xda: (r) => r.text(r.uint(2)),
  0xdb: (r) => r.text(r.uint(4)),
  0xdc: (r) => r.list(r.uint(2)),
  0xdd: (r) => r.list(r.uint(4)),
  0xde: (r) => r.map(r.uint(2)),
  0xdf: (r) => r.map(r.uint(4)),
};

/** The one value that `bytes` are; throws where they are none, or more. */
export function decode(bytes) {
  const reader = new Reader(bytes);
  const value = reader.value();
  if (reader.at !== bytes.length) throw new Error("msgpack goes on after its end");
  return value;
}
