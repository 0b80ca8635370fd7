using UnityEditor;
using UnityEngine;
using UnityEngine.UIElements;

namespace PopBridge.Editor
{
    /// <summary>Colours and icons for both of Unity's skins; each text has a contrast of at least 4.5 there.</summary>
    internal static class Skin
    {
        private const int BoldSize = 13;

        internal static Color Card => Pick(0x404040, 0xD6D6D6);

        internal static Color Line => Pick(0x232323, 0x9E9E9E);

        internal static Color Selection => Pick(0x2F3D4C, 0xB8CEE6);

        internal static Color Primary => Pick(0x2C5D87, 0x2F6096);

        internal static Color Accent => Pick(0x9CC3FF, 0x1E5A9C);

        internal static Color Good => Pick(0x8FE0A8, 0x1E6B36);

        /// <summary>Returns the colour of `error`, `warning` and, for anything else, a note.</summary>
        internal static Color Severity(string severity)
        {
            switch (severity)
            {
                case "error": return Pick(0xFFABA2, 0xA3231A);
                case "warning": return Pick(0xFFD04D, 0x6B4E00);
                default: return Pick(0xA8CCFF, 0x1E5A9C);
            }
        }

        internal static Texture SeverityIcon(string severity)
        {
            switch (severity)
            {
                case "error": return Icon("console.erroricon.sml");
                case "warning": return Icon("console.warnicon.sml");
                default: return Icon("console.infoicon.sml");
            }
        }

        internal static string SeverityWord(string severity)
        {
            switch (severity)
            {
                case "error": return Texts.Say("Error");
                case "warning": return Texts.Say("Warning");
                default: return Texts.Say("Note");
            }
        }

        /// <summary>Returns a label that wraps. Names of files are no rich text.</summary>
        internal static Label Text(string text, bool isBold = false)
        {
            var label = new Label(text) { enableRichText = false };
            label.style.whiteSpace = WhiteSpace.Normal;
            label.style.flexShrink = 1;
            if (isBold) label.style.unityFontStyleAndWeight = FontStyle.Bold;
            else label.style.opacity = 0.85f;
            return label;
        }

        /// <summary>Returns a label that wraps, of a text with **bold**, `code` and links.</summary>
        internal static Label Rich(string text)
        {
            var label = Text(Markup.Rich(text));
            label.enableRichText = true;
            return label;
        }

        internal static Label Heading(string text)
        {
            var label = Text(text, true);
            label.style.fontSize = BoldSize;
            return label;
        }

        internal static Button MakePrimary(Button button)
        {
            button.style.backgroundColor = Primary;
            button.style.color = Color.white;
            button.style.unityFontStyleAndWeight = FontStyle.Bold;
            return button;
        }

        internal static void SetShown(VisualElement element, bool isShown) =>
            element.style.display = isShown ? DisplayStyle.Flex : DisplayStyle.None;

        private static Texture Icon(string name) => EditorGUIUtility.IconContent(name).image;

        private static Color Pick(int dark, int light)
        {
            var rgb = EditorGUIUtility.isProSkin ? dark : light;
            return new Color((rgb >> 16 & 0xFF) / 255f, (rgb >> 8 & 0xFF) / 255f, (rgb & 0xFF) / 255f);
        }
    }
}
