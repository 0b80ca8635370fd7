// Requests: results, errors and what they say, limits, cancelling.
import assert from "node:assert/strict";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { get, JSON_V1, MSGPACK_V1, put, Session, sha256 } from "../bridge.mjs";
import { normalMap, TOOL } from "./expect.mjs";

const PNG = Buffer.from("89504e470d0a1a0a", "hex");

async function session(info, protocol = MSGPACK_V1, more = {}) {
  const made = new Session(info, { client: TOOL, ...more }, protocol);
  await made.connect();
  return made;
}

/** The answer is an `error` of `code` that tells people something. */
function isError(answer, code) {
  assert.equal(answer.type, "error", JSON.stringify(answer));
  assert.equal(answer.code, code, answer.message);
  assert.ok(answer.message.length > 0);
  return answer.message;
}

async function inspects(world, protocol) {
  const image = normalMap(world);
  await put(world.info, image);
  const asked = await session(world.info, protocol);
  const input = { name: "rock_normal.png", blob: sha256(image) };
  const { value, outputs, seq } = await asked.run("image.inspect", { preview: 64 }, [input]);
  assert.equal(seq, 1);
  assert.deepEqual([value.format, value.size, value.width, value.height], ["png", image.length, 128, 128]);
  assert.ok(value.normals.unit_length > 0.9, JSON.stringify(value.normals));
  assert.equal(outputs[0].name, "preview");
  const preview = await get(world.info, outputs[0].blob);
  assert.equal(preview.body.length, outputs[0].size);
  assert.ok(preview.body.subarray(0, 8).equals(PNG));
  return value.normals;
}

export const checks = {
  "a blob is inspected over msgpack": (world) => inspects(world, MSGPACK_V1),
  "a blob is inspected over JSON": (world) => inspects(world, JSON_V1),

  async "a thumbnail is made and fetched"(world) {
    const image = normalMap(world);
    const asked = await session(world.info);
    const input = { name: "rock_normal.png", blob: sha256(image) };
    const { value, outputs } = await asked.run("image.thumbnail", { size: 32 }, [input]);
    assert.deepEqual({ ...value }, { width: 32, height: 32 });
    const [{ name, blob, media_type, size }] = outputs;
    assert.deepEqual([name, media_type], ["thumbnail", "image/png"]);
    const { status, body } = await get(world.info, blob);
    assert.deepEqual([status, body.length, sha256(body)], [200, size, blob]);
    assert.deepEqual([body.readUInt32BE(16), body.readUInt32BE(20)], [32, 32]);
  },

  async "bytes travel inside a message in both subprotocols"(world) {
    const image = normalMap(world);
    const binary = await session(world.info);
    const text = await session(world.info, JSON_V1);
    const asked = (data) => ["image.thumbnail", { size: 16 }, [{ name: "inline", data }]];
    const answers = [await binary.run(...asked(image)), await text.run(...asked(image.toString("base64")))];
    assert.equal(answers[0].type, "result", answers[0].message);
    assert.equal(answers[0].outputs[0].blob, answers[1].outputs[0].blob);
  },

  async "a path below the project's root is read, and none outside"(world) {
    const project = { id: "requests", name: "Requests", root: path.resolve(world.root) };
    const asked = await session(world.info, MSGPACK_V1, { project });
    const run = (place) => asked.run("image.inspect", {}, [{ name: "a", path: place }]);
    const absolute = await run(path.resolve(world.root, world.files[0]));
    assert.equal(absolute.type, "result", absolute.message);
    const nowhere = await session(world.info);
    const rootless = await nowhere.run("image.inspect", {}, [{ name: "a", path: world.files[0] }]);
    return {
      outside: isError(await run(path.resolve(fileURLToPath(import.meta.url))), "forbidden"),
      rootless: isError(rootless, "forbidden"),
    };
  },

  async "what can't be done is answered by its code"(world) {
    const asked = await session(world.info);
    const there = [{ name: "map", blob: sha256(normalMap(world)) }];
    const missing = [{ name: "lost.png", blob: sha256("nothing") }];
    const found = {
      unknown: isError(await asked.run("image.dream"), "unknown_workload"),
      parameter: isError(await asked.run("image.thumbnail", { colour: 1 }, there), "bad_params"),
      value: isError(await asked.run("image.thumbnail", { size: "big" }, there), "bad_params"),
      missing: isError(await asked.run("image.inspect", {}, missing), "not_found"),
      garbage: isError(
        await asked.run("image.inspect", {}, [{ name: "junk.png", data: Buffer.from("no image") }]),
        "bad_input",
      ),
      inline: isError(
        await asked.run("image.inspect", {}, [{ name: "large", data: Buffer.alloc(65_537) }]),
        "too_large",
      ),
      key: isError(await asked.run("receipts.list", {}, [], { key: "k" }), "unsupported"),
      none: isError(await asked.run("image.inspect", {}, []), "bad_params"),
      source: isError(await asked.run("image.inspect", {}, [{ name: "nowhere" }]), "bad_input"),
    };
    return found;
  },

  async "the 65th open request is overloaded"(world) {
    const asked = await session(world.info);
    const { inflight } = asked.link.hello.limits;
    asked.link.ws.socket.cork();
    const input = { name: "map", blob: sha256(normalMap(world)) };
    const ask = () => asked.ask("image.inspect", {}, [input], { cache: false });
    const ids = Array.from({ length: inflight + 1 }, ask);
    asked.link.ws.socket.uncork();
    const answers = await Promise.all(ids.map((id) => asked.answered(id)));
    const codes = answers.filter((a) => a.type === "error").map((a) => a.code);
    assert.deepEqual(new Set(codes), new Set(["overloaded"]));
    return { refused: codes.length, retryable: answers.find((a) => a.code)?.retryable };
  },

  async "cancelling is answered once, and what isn't open is passed over"(world) {
    const asked = await session(world.info);
    asked.link.send({ type: "cancel", id: 12345 });
    const id = asked.ask("image.inspect", { preview: 99 }, [{ name: "a", blob: sha256(normalMap(world)) }]);
    asked.link.send({ type: "cancel", id });
    const answer = await asked.answered(id);
    if (answer.type === "error") isError(answer, "cancelled");
    const echo = await asked.run("bridge.echo", { value: 1 });
    assert.equal(echo.seq, answer.seq + 1);
    return answer.type;
  },

  async "a deadline that passes is told"(world) {
    const asked = await session(world.info);
    const input = { name: "a", blob: sha256(normalMap(world)) };
    const answer = await asked.run("image.inspect", { preview: 98 }, [input], { deadline_ms: 0, cache: false });
    return isError(answer, "deadline_exceeded");
  },

  async "values come back as they were sent"({ info }) {
    const value = { text: "Grüße 𝄞", list: [1, -5, 1.5, null, true], deep: { a: { b: {} } } };
    for (const protocol of [MSGPACK_V1, JSON_V1]) {
      const asked = await session(info, protocol);
      const answer = await asked.run("bridge.echo", { value });
      assert.deepEqual(JSON.parse(JSON.stringify(answer.value)), value);
    }
    const asked = await session(info);
    const bytes = Buffer.from([0, 255]);
    const answer = await asked.run("bridge.echo", { value: [bytes, 2n ** 63n - 1n] });
    assert.deepEqual(answer.value, [bytes, 2n ** 63n - 1n]);
  },
};
