// The protocol of PopBridge in C# 9, without dependencies and without Unity's API: messages, MessagePack, proofs.

using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace PopBridge.Protocol
{
    /// <summary>Numbers and names of the protocol.</summary>
    public static class Wire
    {
// <constants>
    }

    /// <summary>A frame isn't a valid message.</summary>
    public sealed class ProtocolException : Exception
    {
        /// <summary>The close code for it.</summary>
        public readonly int Code;

        /// <summary>The path of the field at fault; empty for a frame that can't be decoded.</summary>
        public readonly string Field;

        public ProtocolException(int code, string field, string reason)
            : base((field.Length > 0 ? field : "message") + ": " + reason)
        {
            Code = code;
            Field = field;
        }
    }

    /// <summary>A map of the protocol. Optional fields are null while they are unset.</summary>
    public abstract class Record
    {
        /// <summary>Returns the map that is sent, without what is as by default.</summary>
        public virtual Dictionary<string, object> ToMap()
        {
            var map = new Dictionary<string, object>();
            Write(map);
            return map;
        }

        protected abstract void Write(Dictionary<string, object> map);

        protected static object Plain(Record record) => record.ToMap();

        protected static object Plain(IList list)
        {
            var plain = new List<object>(list.Count);
            foreach (var one in list) plain.Add(one is Record record ? record.ToMap() : one);
            return plain;
        }
    }

    /// <summary>A message: a map with its type.</summary>
    public abstract class Message : Record
    {
        public abstract string Type { get; }

        public override Dictionary<string, object> ToMap()
        {
            var map = new Dictionary<string, object> { ["type"] = Type };
            Write(map);
            return map;
        }
    }

    public static partial class Messages
    {
        /// <summary>Returns the frame of a message. Throws ArgumentException for values that can't be sent.</summary>
        public static byte[] Encode(Message message) => Msgpack.Pack(message.ToMap());

        /// <summary>Returns the daemon's message in a frame. Throws ProtocolException.</summary>
        public static Message Decode(byte[] frame) => Decode(frame, frame.Length);

        /// <summary>Returns the daemon's message in the first `count` bytes. Throws ProtocolException.</summary>
        public static Message Decode(byte[] frame, int count) => Read(frame, count, ReadServer);

        /// <summary>Returns a client's message in a frame, as a server would. Throws ProtocolException.</summary>
        public static Message DecodeClient(byte[] frame) => Read(frame, frame.Length, ReadClient);

        private static Message Read(byte[] frame, int count, Func<string, MapReader, Message> read)
        {
            if (!(Msgpack.Unpack(frame, count) is Dictionary<string, object> map))
                throw new ProtocolException(Wire.CloseWrongType, "message", "expected a map");
            if (!map.TryGetValue("type", out var type))
                throw new ProtocolException(Wire.CloseMissingField, "type", "is missing");
            if (!(type is string name))
                throw new ProtocolException(Wire.CloseWrongType, "type", "expected text");
            return read(name, new MapReader(map, ""))
                ?? throw new ProtocolException(Wire.CloseUnknownType, "type", name + " isn't known");
        }
    }

    /// <summary>The fields of a received map, which are checked as they are read.</summary>
    internal readonly struct MapReader
    {
        private readonly Dictionary<string, object> map;
        private readonly string path;

        internal MapReader(Dictionary<string, object> map, string path)
        {
            this.map = map;
            this.path = path;
        }

        private string At(string name) => path.Length == 0 ? name : path + "." + name;

        private bool Has(string name, out object value) => map.TryGetValue(name, out value);

        private object Required(string name) =>
            Has(name, out var value)
                ? value
                : throw new ProtocolException(Wire.CloseMissingField, At(name), "is missing");

        internal object Any(string name, bool required) =>
            required ? Required(name) : Has(name, out var value) ? value : null;

        internal long Int(string name, long low, long high) => CheckInt(Required(name), low, high, At(name));

        internal long Int(string name, long low, long high, long absent) =>
            OptionalInt(name, low, high) ?? absent;

        internal long? OptionalInt(string name, long low, long high) =>
            Has(name, out var value) ? CheckInt(value, low, high, At(name)) : (long?)null;

        internal double Float(string name, double low, double high) =>
            CheckFloat(Required(name), low, high, At(name));

        internal double Float(string name, double low, double high, double absent) =>
            OptionalFloat(name, low, high) ?? absent;

        internal double? OptionalFloat(string name, double low, double high) =>
            Has(name, out var value) ? CheckFloat(value, low, high, At(name)) : (double?)null;

        internal string Text(string name, int least, int most, bool digest) =>
            CheckText(Required(name), least, most, digest, At(name));

        internal string Text(string name, int least, int most, bool digest, string absent) =>
            OptionalText(name, least, most, digest) ?? absent;

        internal string OptionalText(string name, int least, int most, bool digest) =>
            Has(name, out var value) ? CheckText(value, least, most, digest, At(name)) : null;

        internal string Choice(string name, string[] choices) => CheckChoice(Required(name), choices, At(name));

        internal string Choice(string name, string[] choices, string absent) =>
            OptionalChoice(name, choices) ?? absent;

        internal string OptionalChoice(string name, string[] choices) =>
            Has(name, out var value) ? CheckChoice(value, choices, At(name)) : null;

        internal bool Bool(string name) => Of<bool>(Required(name), At(name));

        internal bool Bool(string name, bool absent) => Has(name, out var value) ? Of<bool>(value, At(name)) : absent;

        internal byte[] OptionalBytes(string name) =>
            Has(name, out var value) ? Of<byte[]>(value, At(name)) : null;

        internal Dictionary<string, object> Map(string name) =>
            Of<Dictionary<string, object>>(Required(name), At(name));

        internal Dictionary<string, object> Map(string name, Dictionary<string, object> absent) =>
            OptionalMap(name) ?? absent;

        internal Dictionary<string, object> OptionalMap(string name) =>
            Has(name, out var value) ? Of<Dictionary<string, object>>(value, At(name)) : null;

        internal T Record<T>(string name, Func<MapReader, T> read) => ItemRecord(read)(Required(name), At(name));

        internal T OptionalRecord<T>(string name, Func<MapReader, T> read) where T : class =>
            Has(name, out var value) ? ItemRecord(read)(value, At(name)) : null;

        internal List<T> List<T>(string name, Func<object, string, T> item, int most) =>
            CheckList(Required(name), item, most, At(name));

        internal List<T> List<T>(string name, Func<object, string, T> item, int most, List<T> absent) =>
            OptionalList(name, item, most) ?? absent;

        internal List<T> OptionalList<T>(string name, Func<object, string, T> item, int most) =>
            Has(name, out var value) ? CheckList(value, item, most, At(name)) : null;

        internal static Func<object, string, T> ItemRecord<T>(Func<MapReader, T> read) =>
            (value, at) => read(new MapReader(Of<Dictionary<string, object>>(value, at), at));

        internal static Func<object, string, string> ItemText(int least, int most, bool digest) =>
            (value, at) => CheckText(value, least, most, digest, at);

        internal static Func<object, string, string> ItemChoice(string[] choices) =>
            (value, at) => CheckChoice(value, choices, at);

        internal static Func<object, string, long> ItemInt(long low, long high) =>
            (value, at) => CheckInt(value, low, high, at);

        private static T Of<T>(object value, string at) =>
            value is T found
                ? found
                : throw new ProtocolException(Wire.CloseWrongType, at, "expected " + typeof(T).Name);

        private static long CheckInt(object value, long low, long high, string at)
        {
            // Larger ones are decoded as UInt64.
            if (value is ulong) throw new ProtocolException(Wire.CloseWrongValue, at, "out of range");
            return Ranged(Of<long>(value, at), low, high, at);
        }

        private static double CheckFloat(object value, double low, double high, string at)
        {
            var number = value is long whole ? whole : value is ulong large ? large : Of<double>(value, at);
            if (double.IsNaN(number) || double.IsInfinity(number))
                throw new ProtocolException(Wire.CloseWrongValue, at, "isn't finite");
            return Ranged(number, low, high, at);
        }

        private static T Ranged<T>(T value, T low, T high, string at) where T : IComparable<T> =>
            value.CompareTo(low) >= 0 && value.CompareTo(high) <= 0
                ? value
                : throw new ProtocolException(Wire.CloseWrongValue, at, "out of range");

        private static string CheckText(object value, int least, int most, bool digest, string at)
        {
            var text = Of<string>(value, at);
            Ranged(Characters(text), least, most, at);
            if (digest && !IsDigest(text)) throw new ProtocolException(Wire.CloseWrongValue, at, "isn't a SHA-256");
            return text;
        }

        /// <summary>Counts characters; C# counts those beyond U+FFFF twice.</summary>
        private static int Characters(string text)
        {
            var count = text.Length;
            foreach (var each in text)
                if (char.IsLowSurrogate(each)) count--;
            return count;
        }

        private static bool IsDigest(string text)
        {
            foreach (var each in text)
                if (!(each >= '0' && each <= '9' || each >= 'a' && each <= 'f')) return false;
            return text.Length == 64;
        }

        private static string CheckChoice(object value, string[] choices, string at)
        {
            var text = Of<string>(value, at);
            return Array.IndexOf(choices, text) >= 0
                ? text
                : throw new ProtocolException(Wire.CloseWrongValue, at, "isn't allowed");
        }

        private static List<T> CheckList<T>(object value, Func<object, string, T> item, int most, string at)
        {
            var found = Of<List<object>>(value, at);
            Ranged(found.Count, 0, most, at);
            var items = new List<T>(found.Count);
            foreach (var one in found) items.Add(item(one, at + "[" + items.Count.ToString(CultureInfo.InvariantCulture) + "]"));
            return items;
        }
    }

    /// <summary>
    /// MessagePack of null, bool, long, ulong (beyond long), double, string, byte[], List&lt;object&gt; and
    /// Dictionary&lt;string, object&gt;.
    /// </summary>
    public static class Msgpack
    {
        private static readonly UTF8Encoding Strict = new UTF8Encoding(false, true);

        /// <summary>Returns a value as MessagePack. Throws ArgumentException for a type that the protocol lacks.</summary>
        public static byte[] Pack(object value)
        {
            var output = new Writer();
            output.Value(value, 0);
            return output.ToArray();
        }

        /// <summary>Returns the value in the first `count` bytes. Throws ProtocolException.</summary>
        public static object Unpack(byte[] data, int count)
        {
            var input = new Reader(data, count);
            var value = input.Value(0);
            if (input.Left > 0) throw Undecodable(input.Left + " bytes after the value");
            return value;
        }

        private static ProtocolException Undecodable(string reason) =>
            new ProtocolException(Wire.CloseUndecodable, "", reason);

        private sealed class Writer
        {
            private byte[] data = new byte[256];
            private int count;

            internal byte[] ToArray()
            {
                Array.Resize(ref data, count);
                return data;
            }

            internal void Value(object value, int depth)
            {
                if (depth > Wire.MaxNesting) throw new ArgumentException("nested deeper than " + Wire.MaxNesting);
                switch (value)
                {
                    case null: Byte(0xc0); break;
                    case bool flag: Byte(flag ? 0xc3 : 0xc2); break;
                    case long number: Int(number); break;
                    case int number: Int(number); break;
                    case ulong number: Unsigned(number); break;
                    case double number: Head(0xcb, (ulong)BitConverter.DoubleToInt64Bits(number), 8); break;
                    case float number: Head(0xcb, (ulong)BitConverter.DoubleToInt64Bits(number), 8); break;
                    case string text: Bytes(Strict.GetBytes(text), 0xa0, 31, 0xd9, 0xda, 0xdb); break;
                    case byte[] bytes: Bytes(bytes, 0, -1, 0xc4, 0xc5, 0xc6); break;
                    case IDictionary map: Map(map, depth); break;
                    case IList list:
                        Length(list.Count, 0x90, 15, 0, 0xdc, 0xdd);
                        foreach (var one in list) Value(one, depth + 1);
                        break;
                    default: throw new ArgumentException(value.GetType().Name + " can't be sent");
                }
            }

            private void Map(IDictionary map, int depth)
            {
                Length(map.Count, 0x80, 15, 0, 0xde, 0xdf);
                foreach (DictionaryEntry each in map)
                {
                    if (!(each.Key is string)) throw new ArgumentException("keys must be text");
                    Value(each.Key, depth);
                    Value(each.Value, depth + 1);
                }
            }

            private void Int(long value)
            {
                if (value >= 0) Unsigned((ulong)value);
                else if (value >= -32) Byte((int)(value & 0xff));
                else if (value >= sbyte.MinValue) Head(0xd0, (ulong)value, 1);
                else if (value >= short.MinValue) Head(0xd1, (ulong)value, 2);
                else if (value >= int.MinValue) Head(0xd2, (ulong)value, 4);
                else Head(0xd3, (ulong)value, 8);
            }

            private void Unsigned(ulong value)
            {
                if (value < 0x80) Byte((int)value);
                else if (value <= byte.MaxValue) Head(0xcc, value, 1);
                else if (value <= ushort.MaxValue) Head(0xcd, value, 2);
                else if (value <= uint.MaxValue) Head(0xce, value, 4);
                else Head(0xcf, value, 8);
            }

            private void Bytes(byte[] bytes, int fix, int most, int head8, int head16, int head32)
            {
                Length(bytes.Length, fix, most, head8, head16, head32);
                Reserve(bytes.Length);
                Buffer.BlockCopy(bytes, 0, data, count, bytes.Length);
                count += bytes.Length;
            }

            private void Length(int length, int fix, int most, int head8, int head16, int head32)
            {
                if (length <= most) Byte(fix | length);
                else if (length <= byte.MaxValue && head8 != 0) Head(head8, (ulong)length, 1);
                else if (length <= ushort.MaxValue) Head(head16, (ulong)length, 2);
                else Head(head32, (ulong)length, 4);
            }

            private void Head(int head, ulong value, int bytes)
            {
                Byte(head);
                for (var shift = 8 * (bytes - 1); shift >= 0; shift -= 8) Byte((int)(value >> shift & 0xff));
            }

            private void Byte(int value)
            {
                Reserve(1);
                data[count++] = (byte)value;
            }

            private void Reserve(int more)
            {
                if (count + more > data.Length) Array.Resize(ref data, Math.Max(2 * data.Length, count + more));
            }
        }

        private sealed class Reader
        {
            private readonly byte[] data;
            private readonly int end;
            private int at;

            internal Reader(byte[] data, int count)
            {
                this.data = data;
                end = count;
            }

            internal int Left => end - at;

            internal object Value(int depth)
            {
                if (depth > Wire.MaxNesting) throw Undecodable("nested deeper than " + Wire.MaxNesting);
                var head = (int)Number(1);
                if (head < 0x80) return (long)head;
                if (head < 0x90) return Map(head & 15, depth);
                if (head < 0xa0) return List(head & 15, depth);
                if (head < 0xc0) return Text(head & 31);
                if (head >= 0xe0) return (long)(sbyte)head;
                switch (head)
                {
                    case 0xc0: return null;
                    case 0xc2: return false;
                    case 0xc3: return true;
                    case 0xc4: case 0xc5: case 0xc6: return Bytes(Length(1 << head - 0xc4));
                    case 0xca: return (double)BitConverter.ToSingle(BitConverter.GetBytes((uint)Number(4)), 0);
                    case 0xcb: return BitConverter.Int64BitsToDouble((long)Number(8));
                    case 0xcc: case 0xcd: case 0xce: return (long)Number(1 << head - 0xcc);
                    case 0xcf:
                        var large = Number(8);
                        return large <= long.MaxValue ? (object)(long)large : large;
                    case 0xd0: return (long)(sbyte)Number(1);
                    case 0xd1: return (long)(short)Number(2);
                    case 0xd2: return (long)(int)Number(4);
                    case 0xd3: return (long)Number(8);
                    case 0xd9: case 0xda: case 0xdb: return Text(Length(1 << head - 0xd9));
                    case 0xdc: case 0xdd: return List(Length(2 << head - 0xdc), depth);
                    case 0xde: case 0xdf: return Map(Length(2 << head - 0xde), depth);
                    default: throw Undecodable("MessagePack type " + head + " isn't used here");
                }
            }

            private ulong Number(int bytes)
            {
                if (bytes > Left) throw Undecodable("the frame is cut off");
                ulong value = 0;
                for (var each = 0; each < bytes; each++) value = value << 8 | data[at++];
                return value;
            }

            /// <summary>What is counted takes a byte each at least: a length of billions must not be believed.</summary>
            private int Length(int bytes)
            {
                var length = Number(bytes);
                if (length > (ulong)Left) throw Undecodable("the frame is cut off");
                return (int)length;
            }

            private byte[] Bytes(int count)
            {
                var bytes = new byte[count];
                Buffer.BlockCopy(data, Skip(count), bytes, 0, count);
                return bytes;
            }

            private string Text(int count)
            {
                try
                {
                    return Strict.GetString(data, Skip(count), count);
                }
                catch (ArgumentException)
                {
                    throw Undecodable("text that isn't UTF-8");
                }
            }

            private int Skip(int count)
            {
                if (count > Left) throw Undecodable("the frame is cut off");
                at += count;
                return at - count;
            }

            private List<object> List(int count, int depth)
            {
                if (count > Left) throw Undecodable("the frame is cut off");
                var list = new List<object>(count);
                for (var each = 0; each < count; each++) list.Add(Value(depth + 1));
                return list;
            }

            private Dictionary<string, object> Map(int count, int depth)
            {
                if (2L * count > Left) throw Undecodable("the frame is cut off");
                var map = new Dictionary<string, object>(count);
                for (var each = 0; each < count; each++)
                {
                    if (!(Value(depth + 1) is string key))
                        throw new ProtocolException(Wire.CloseWrongType, "", "map keys must be text");
                    map[key] = Value(depth + 1);
                }
                return map;
            }
        }
    }

    /// <summary>How daemon and client prove to each other that they know the token (RFC 5802 without salt).</summary>
    public static class Proof
    {
        /// <summary>
        /// Returns what the daemon proves itself with in `hello.auth.proof`, in hex. `fingerprint` is the SHA-256
        /// of its certificate in hex; empty without TLS.
        /// </summary>
        public static string OfServer(
            string token, string tokenId, string clientNonce, string serverNonce, string fingerprint = "")
        {
            var key = Hmac(Utf8(token), "Server Key");
            return Hex(Hmac(key, Signed("server", tokenId, clientNonce, serverNonce, fingerprint)));
        }

        /// <summary>Returns what the client proves itself with in `identify.auth.proof`, in hex.</summary>
        public static string OfClient(
            string token, string tokenId, string clientNonce, string serverNonce, string fingerprint = "")
        {
            var key = Hmac(Utf8(token), "Client Key");
            byte[] stored;
            using (var sha = SHA256.Create()) stored = sha.ComputeHash(key);
            var signature = Hmac(stored, Signed("client", tokenId, clientNonce, serverNonce, fingerprint));
            for (var each = 0; each < key.Length; each++) key[each] ^= signature[each];
            return Hex(key);
        }

        /// <summary>Compares two proofs in constant time.</summary>
        public static bool IsSame(string one, string other)
        {
            if (one == null || other == null || one.Length != other.Length) return false;
            var different = 0;
            for (var each = 0; each < one.Length; each++) different |= one[each] ^ other[each];
            return different == 0;
        }

        /// <summary>Returns a fresh nonce of 32 random bytes, in hex.</summary>
        public static string Nonce()
        {
            var bytes = new byte[32];
            using (var random = RandomNumberGenerator.Create()) random.GetBytes(bytes);
            return Hex(bytes);
        }

        private static string Signed(params string[] parts) => string.Join(":", parts);

        private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

        private static byte[] Hmac(byte[] key, string message)
        {
            using (var hmac = new HMACSHA256(key)) return hmac.ComputeHash(Utf8(message));
        }

        private static string Hex(byte[] bytes)
        {
            var text = new StringBuilder(2 * bytes.Length);
            foreach (var each in bytes) text.Append(each.ToString("x2", CultureInfo.InvariantCulture));
            return text.ToString();
        }
    }

// <records>
}
