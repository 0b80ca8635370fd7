using System.Collections.Generic;
using System.Text;
using PopBridge.Editor;
using UnityEditor;
using UnityEngine;

namespace PopBridge.Samples
{
    /// <summary>
    /// Writes PopBridge's open findings to the Console whenever they change, and checks one folder from a menu entry. A
    /// build script or a team's own window can start from here.
    /// </summary>
    [InitializeOnLoad]
    public static class FindingsReport
    {
        private const string Folder = "Assets";

        static FindingsReport() => EditorBridge.FindingsChanged += Write;

        [MenuItem("Tools/PopBridge Sample/Check Assets")]
        public static void Check()
        {
            var paths = new List<string>();
            foreach (var guid in AssetDatabase.FindAssets("t:Texture2D", new[] { Folder }))
                paths.Add(AssetDatabase.GUIDToAssetPath(guid));
            EditorBridge.Check(paths);
        }

        private static void Write()
        {
            var findings = EditorBridge.Findings();
            if (findings.Count == 0) return;
            var text = new StringBuilder("PopBridge: textures with findings: " + findings.Count);
            foreach (var texture in findings)
                text.Append('\n').Append(texture.Key).Append(": ").Append(string.Join("; ", texture.Value));
            Debug.Log(text.ToString());
        }
    }
}
