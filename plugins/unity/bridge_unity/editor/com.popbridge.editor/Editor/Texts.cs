using System.Collections.Generic;
using PopBridge.Connection;
using UnityEditor;
using UnityEngine;

namespace PopBridge.Editor
{
    /// <summary>Sentences in the editor's language. The English sentence is the key.</summary>
    internal static class Texts
    {
        /// <summary>The user's choice of language: empty for Unity's own, or BCP 47.</summary>
        internal const string Preference = "PopBridge.Language";

        private const string Catalogue = "Packages/com.popbridge.editor/Editor/Texts/zh_CN.json";

        private static readonly Dictionary<SystemLanguage, string> Languages = new Dictionary<SystemLanguage, string>
        {
            [SystemLanguage.ChineseSimplified] = "zh-CN", [SystemLanguage.Chinese] = "zh-CN",
            [SystemLanguage.ChineseTraditional] = "zh-TW", [SystemLanguage.Japanese] = "ja",
            [SystemLanguage.Korean] = "ko",
        };

        private static Dictionary<string, object> chinese;

        /// <summary>BCP 47.</summary>
        public static string Locale
        {
            get
            {
                var chosen = EditorPrefs.GetString(Preference, "");
                if (chosen.Length > 0) return chosen;
                if (!EditorPrefs.GetBool("Editor.kEnableEditorLocalization", true)) return "en";
                var name = EditorPrefs.GetString("Editor.kEditorLocale", "");
                foreach (var pair in Languages)
                    if (pair.Key.ToString() == name) return pair.Value;
                return "en";
            }
        }

        /// <summary>Returns a sentence with its `{name}`s filled: name, value, name, value.</summary>
        public static string Say(string text, params string[] values)
        {
            var said = Locale == "zh-CN" && Chinese().TryGetValue(text, out var found) ? (string)found : text;
            for (var each = 0; each < values.Length; each += 2)
                said = said.Replace("{" + values[each] + "}", values[each + 1]);
            return said;
        }

        private static Dictionary<string, object> Chinese()
        {
            if (chinese != null) return chinese;
            var asset = AssetDatabase.LoadAssetAtPath<TextAsset>(Catalogue);
            // While Unity imports the package, the file isn't there yet.
            if (asset == null) return new Dictionary<string, object>();
            return chinese = (Dictionary<string, object>)Json.Read(asset.text);
        }
    }
}
