using System.Collections.Generic;
using System.Text.RegularExpressions;

namespace PopBridge.Editor
{
    /// <summary>The text of popups, which has **bold**, `code` and `[label](https://...)`, as Unity's rich text.</summary>
    public static class Markup
    {
        private static readonly Regex Bold = new Regex(@"\*\*(.+?)\*\*");
        private static readonly Regex Code = new Regex(@"`([^`\n]+)`");
        private static readonly Regex Link = new Regex(@"\[([^\]\n]+)\]\((https?://[^\s)]+)\)");

        /// <summary>Returns rich text. A zero-width space keeps the text's own `&lt;` from being a tag.</summary>
        public static string Rich(string text)
        {
            text = Link.Replace(Plain(text), "$1");
            return Code.Replace(Bold.Replace(text, "<b>$1</b>"), "<i>$1</i>");
        }

        /// <summary>Returns a text that shows its own `&lt;` where rich text can't be switched off.</summary>
        public static string Plain(string text) => text.Replace("<", "<\u200b");

        /// <summary>Returns the labels and addresses of the links.</summary>
        public static List<KeyValuePair<string, string>> Links(string text)
        {
            var links = new List<KeyValuePair<string, string>>();
            foreach (Match each in Link.Matches(text))
                links.Add(new KeyValuePair<string, string>(each.Groups[1].Value, each.Groups[2].Value));
            return links;
        }
    }
}
