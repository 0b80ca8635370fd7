using System;
using System.Collections.Generic;
using PopBridge.Protocol;
using UnityEditor;
using UnityEngine;

namespace PopBridge.Editor
{
    /// <summary>A mark on each texture with an open finding in the Project window.</summary>
    internal static class ProjectBadges
    {
        private const float Size = 12;

        /// <summary>Rows of lists are as high as this; larger items are tiles.</summary>
        private const float RowHeight = 20;

        private static readonly string[] Severities = { "note", "warning", "error" };

        // GUID -> the place of its worst severity.
        private static readonly Dictionary<string, int> Worst = new Dictionary<string, int>();
        private static readonly Texture[] Icons = new Texture[3];
        private static bool isHooked;

        /// <summary>Reads the open popups again; does nothing between.</summary>
        internal static void Refresh()
        {
            Worst.Clear();
            if (Settings.ShowsBadges)
                foreach (var popup in EditorBridge.Popups.Open)
                    if (popup.Items != null && !popup.IsAnswered)
                        foreach (var group in popup.Items.Roots) Add(group);
            if (Worst.Count > 0 != isHooked)
            {
                isHooked = !isHooked;
                if (isHooked) EditorApplication.projectWindowItemOnGUI += Draw;
                else EditorApplication.projectWindowItemOnGUI -= Draw;
            }
            EditorApplication.RepaintProjectWindow();
        }

        internal static void Suspend()
        {
            EditorApplication.projectWindowItemOnGUI -= Draw;
            isHooked = false;
        }

        /// <summary>Returns the severity of a texture's worst open finding; empty for none.</summary>
        internal static string SeverityOf(string guid) => Worst.TryGetValue(guid, out var place) ? Severities[place] : "";

        private static void Add(ItemModel.Row group)
        {
            var place = Array.IndexOf(Severities, group.Item.Severity);
            foreach (var texture in group.Children)
            {
                // What is settled is no open finding.
                if (texture.Item.Path == null || texture.Outcome == "done") continue;
                var guid = AssetDatabase.AssetPathToGUID(texture.Item.Path);
                if (string.IsNullOrEmpty(guid)) continue;
                if (!Worst.TryGetValue(guid, out var other) || place > other) Worst[guid] = Math.Max(place, 0);
            }
        }

        /// <summary>Called for each item in sight at each event: it must allocate nothing.</summary>
        private static void Draw(string guid, Rect area)
        {
            if (Event.current.type != EventType.Repaint || !Worst.TryGetValue(guid, out var place)) return;
            if (Icons[place] == null) Icons[place] = Skin.SeverityIcon(Severities[place]);
            var isRow = area.height <= RowHeight;
            GUI.DrawTexture(
                new Rect(area.xMax - Size - (isRow ? 2 : 0), area.y + (isRow ? (area.height - Size) / 2 : 0), Size, Size),
                Icons[place]);
        }
    }
}
