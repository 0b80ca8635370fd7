using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace PopBridge.Connection
{
    /// <summary>
    /// Reads JSON (RFC 8259) to null, bool, long, double, string, List&lt;object&gt; and Dictionary&lt;string, object&gt;.
    /// Unity's own reader wants classes, and knows no maps.
    /// </summary>
    public static class Json
    {
        private const int MaxDepth = 64;

        /// <summary>Returns the value in a text. Throws FormatException.</summary>
        public static object Read(string text)
        {
            var reader = new Reader(text);
            var value = reader.Value(0);
            reader.End();
            return value;
        }

        private sealed class Reader
        {
            private readonly string text;
            private int at;

            internal Reader(string text) => this.text = text;

            internal void End()
            {
                Space();
                if (at < text.Length) throw Wrong();
            }

            internal object Value(int depth)
            {
                if (depth > MaxDepth) throw Wrong();
                Space();
                switch (Peek())
                {
                    case '{': return Map(depth);
                    case '[': return List(depth);
                    case '"': return String();
                    case 't': return Word("true", true);
                    case 'f': return Word("false", false);
                    case 'n': return Word("null", null);
                    default: return Number();
                }
            }

            private FormatException Wrong() => new FormatException("invalid JSON at character " + at);

            private char Peek() => at < text.Length ? text[at] : '\0';

            private void Space()
            {
                while (Peek() == ' ' || Peek() == '\t' || Peek() == '\n' || Peek() == '\r') at++;
            }

            private void Skip(char expected)
            {
                Space();
                if (Peek() != expected) throw Wrong();
                at++;
            }

            /// <summary>Skips a comma and returns true, or the closing character and returns false.</summary>
            private bool More(char close)
            {
                Space();
                if (Peek() == close)
                {
                    at++;
                    return false;
                }
                Skip(',');
                return true;
            }

            private bool IsEmpty(char open, char close)
            {
                Skip(open);
                Space();
                if (Peek() != close) return false;
                at++;
                return true;
            }

            private Dictionary<string, object> Map(int depth)
            {
                var map = new Dictionary<string, object>();
                if (IsEmpty('{', '}')) return map;
                do
                {
                    Space();
                    var key = String();
                    Skip(':');
                    map[key] = Value(depth + 1);
                }
                while (More('}'));
                return map;
            }

            private List<object> List(int depth)
            {
                var list = new List<object>();
                if (IsEmpty('[', ']')) return list;
                do list.Add(Value(depth + 1));
                while (More(']'));
                return list;
            }

            private string String()
            {
                if (Peek() != '"') throw Wrong();
                at++;
                var found = new StringBuilder();
                for (;;)
                {
                    if (at >= text.Length || text[at] < ' ') throw Wrong();
                    var each = text[at++];
                    if (each == '"') return found.ToString();
                    found.Append(each == '\\' ? Escaped() : each);
                }
            }

            private char Escaped()
            {
                const string names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
                var name = Peek();
                at++;
                if (names.IndexOf(name) is var found && found >= 0 && name != '\0') return values[found];
                if (name != 'u' || at + 4 > text.Length) throw Wrong();
                var hex = text.Substring(at, 4);
                at += 4;
                return ushort.TryParse(hex, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code)
                    ? (char)code
                    : throw Wrong();
            }

            private object Word(string word, object value)
            {
                if (string.CompareOrdinal(text, at, word, 0, word.Length) != 0) throw Wrong();
                at += word.Length;
                return value;
            }

            private object Number()
            {
                var from = at;
                while ("+-.eE0123456789".IndexOf(Peek()) >= 0 && Peek() != '\0') at++;
                var number = text.Substring(from, at - from);
                const NumberStyles whole = NumberStyles.AllowLeadingSign;
                if (long.TryParse(number, whole, CultureInfo.InvariantCulture, out var integer)) return integer;
                return double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out var real)
                    ? (object)real
                    : throw Wrong();
            }
        }
    }
}
