// Changes to a protocol buffer that keep its lengths right, so that they get past the reader of the wire format: values, fields
// that go, come twice, move to another message or change their number or type.
//
// Messages are taken apart by the schema, to know a message from a text; what is written need not follow it.
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { integers, texts } from "../interesting.mjs";
import { mutateBytes } from "./bytes.mjs";

const encoder = new TextEncoder();

/** One field: a varint as bigint, a message as its fields, anything else as bytes. */
/** @typedef {{ number: number, wire: WireType, value: bigint | Uint8Array | Tree }} Field */
/** @typedef {{ type: string, fields: Field[] }} Tree */

/** @param {{ name: string, fields: { number: number, message?: object }[] }} schema a DescMessage, or like one @returns {Tree} */
export function protobufTree(schema, bytes) {
  const reader = new BinaryReader(bytes);
  const fields = [];
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (wire === WireType.Varint) fields.push({ number, wire, value: BigInt(reader.uint64()) });
    else if (wire === WireType.Bit64) fields.push({ number, wire, value: take(reader, bytes, 8) });
    else if (wire === WireType.Bit32) fields.push({ number, wire, value: take(reader, bytes, 4) });
    else {
      const payload = reader.bytes();
      const inner = schema.fields.find((field) => field.number === number)?.message;
      fields.push({ number, wire, value: inner ? protobufTree(inner, payload) : payload.slice() });
    }
  }
  return { type: schema.name, fields };
}

function take(reader, bytes, count) {
  const start = reader.pos;
  reader.pos += count;
  return bytes.slice(start, start + count);
}

/** @param {Tree} tree */
export function copyTree({ type, fields }) {
  return {
    type,
    fields: fields.map((field) => (isTree(field.value) ? { ...field, value: copyTree(field.value) } : { ...field })),
  };
}

/** @param {Tree} tree @returns {Uint8Array} */
export function writeProtobuf({ fields }) {
  const writer = new BinaryWriter();
  for (const { number, wire, value } of fields) {
    writer.tag(number, wire);
    if (typeof value === "bigint") writer.uint64(BigInt.asUintN(64, value));
    else if (wire === WireType.LengthDelimited) writer.bytes(isTree(value) ? writeProtobuf(value) : value);
    else writer.raw(isTree(value) ? writeProtobuf(value) : value);
  }
  return writer.finish();
}

/** Fields of that number in a message. */
export function fieldsOf(tree, number) {
  return tree.fields.filter((field) => field.number === number);
}

function isTree(value) {
  return typeof value === "object" && "fields" in value;
}

/**
 * Changes a tree in place, 1 to 4 times.
 * @param {import("../random.mjs").Random} random
 * @param {Tree} tree
 * @param {readonly Tree[]} others to take messages from
 * @param {readonly string[]} words that the format uses
 */
export function mutateProtobuf(random, tree, others, words) {
  for (let count = 1 + random.below(4); count > 0; --count) {
    const places = [];
    gather(tree, places);
    if (places.length === 0) return;
    const place = random.pick(places);
    random.pick(changes)(random, place, places, { others, words, tree });
  }
}

/** Every field, with the message that it is in. */
function gather(message, places) {
  for (const field of message.fields) {
    places.push({ message, field });
    if (isTree(field.value)) gather(field.value, places);
  }
}

const changes = [
  setValue,
  setValue,
  setValue,
  setValue,
  drop,
  twice,
  move,
  graft,
  exchange,
  borrow,
  renumber,
  retype,
  nest,
  pack,
];

function setValue(random, { field }, _places, { words }) {
  const { value, wire } = field;
  if (typeof value === "bigint") {
    field.value = random.chance(0.4) ? value + BigInt(random.below(7) - 3) : random.pick(integers);
  } else if (isTree(value)) return;
  else if (wire !== WireType.LengthDelimited || random.chance(0.3))
    field.value = mutateBytes(random, value).slice(0, 4096);
  else if (random.chance(0.02)) field.value = encoder.encode("_wpe".repeat(10000) + "\n");
  else field.value = encoder.encode(random.pick(random.chance(0.5) ? words : texts));
  if (wire === WireType.Bit32 || wire === WireType.Bit64) {
    const fixed = new Uint8Array(wire === WireType.Bit32 ? 4 : 8);
    fixed.set(field.value.subarray(0, fixed.length));
    field.value = fixed;
  }
}

function drop(_random, { message, field }) {
  message.fields.splice(message.fields.indexOf(field), 1);
}

function twice(random, { message, field }) {
  const times = random.chance(0.01) ? 300 : 1;
  for (let i = 0; i < times; ++i) message.fields.splice(random.below(message.fields.length + 1), 0, copyOfField(field));
}

/** To another place in the same message, or to another message of the same type. */
function move(random, { message, field }, places) {
  const like = places.map((place) => place.message).filter(({ type }) => type === message.type);
  const to = random.pick(like);
  if (isTree(field.value) && contains(field.value, to)) return;
  drop(random, { message, field });
  to.fields.splice(random.below(to.fields.length + 1), 0, field);
}

/** A field of a message of this type from another model. */
function graft(random, { message }, _places, { others }) {
  if (others.length === 0) return;
  const places = [];
  gather(random.pick(others), places);
  const like = places.filter((place) => place.message.type === message.type);
  if (like.length > 0)
    message.fields.splice(random.below(message.fields.length + 1), 0, copyOfField(random.pick(like).field));
}

/** The values of two fields of one kind change places: names above all. */
function exchange(random, { message, field }, places) {
  const like = places.filter((place) => place.message.type === message.type && place.field.number === field.number);
  const { field: other } = random.pick(like);
  if (isTree(field.value)) return;
  [field.value, other.value] = [other.value, field.value];
}

/** A text is set to another of the model. */
function borrow(random, { field }, places) {
  if (!(field.value instanceof Uint8Array)) return;
  const others = places.filter((place) => place.field.value instanceof Uint8Array && place.field.wire === field.wire);
  field.value = random.pick(others).field.value;
}

function renumber(random, { field }) {
  field.number = random.chance(0.8) ? 1 + random.below(26) : random.pick([100, 536870911, 15, 16]);
}

/** The same number with another wire type. */
function retype(random, { field }) {
  const wire = random.pick([WireType.Varint, WireType.Bit64, WireType.LengthDelimited, WireType.Bit32]);
  field.wire = wire;
  if (wire === WireType.Varint) field.value = random.pick(integers);
  else if (wire === WireType.Bit64) field.value = new Uint8Array(8).fill(random.below(256));
  else if (wire === WireType.Bit32) field.value = new Uint8Array(4).fill(random.below(256));
  else if (typeof field.value === "bigint") field.value = new Uint8Array(random.below(9)).fill(random.below(256));
}

/** The main graph as the body of a node of its own, and again, up to 60 times. */
function nest(random, _place, _places, { tree }) {
  const main = tree.fields.find((field) => field.number === 7 && isTree(field.value));
  if (!main || random.chance(0.7)) return;
  const message = (number, type, ...fields) => ({ number, wire: WireType.LengthDelimited, value: { type, fields } });
  const text = (number, value) => ({ number, wire: WireType.LengthDelimited, value: encoder.encode(value) });
  for (let depth = random.length(6); depth > 0; --depth) {
    const body = { ...main, number: 6 };
    const attribute = message(5, "AttributeProto", text(1, "body"), body);
    main.value = { type: "GraphProto", fields: [message(1, "NodeProto", text(4, "If"), attribute), text(2, "outer")] };
  }
}

/** A varint as a packed field of several. */
function pack(random, { field }) {
  if (typeof field.value !== "bigint") return;
  const writer = new BinaryWriter();
  for (let count = random.below(4); count >= 0; --count) writer.uint64(BigInt.asUintN(64, field.value));
  field.wire = WireType.LengthDelimited;
  field.value = writer.finish();
}

function copyOfField(field) {
  return isTree(field.value) ? { ...field, value: copyTree(field.value) } : { ...field };
}

function contains(tree, message) {
  return tree === message || tree.fields.some(({ value }) => isTree(value) && contains(value, message));
}
