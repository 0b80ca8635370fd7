using System.Collections.Generic;
using System.Globalization;
using PopBridge.Connection;
using UnityEditor;

namespace PopBridge.Editor
{
    /// <summary>The menu Tools > PopBridge, and the same for the selection in the Project window's context menu.</summary>
    internal static class TextureMenu
    {
        private const string Tools = "Tools/PopBridge/";
        private const string Context = "Assets/PopBridge/";
        private const string Check = "Check";
        private const string Why = "Ask Why";
        private const string NormalMap = "Generate Normal Map";
        private const string Compress = "Compress to DDS";
        private const int ContextPlace = 1100;
        private const string Filter = "t:Texture2D";
        private const string Assets = "Assets";

        /// <summary>Explanations that are shown one after the other.</summary>
        private const int MaxAsked = 20;

        /// <summary>More new files than this aren't created unasked: a folder may hold thousands of textures.</summary>
        private const int MaxUnasked = 20;

        [MenuItem(Tools + "Show Window", false, 1)]
        private static void Show() => PopBridgeWindow.Open();

        [MenuItem(Tools + "Start PopBridge", false, 2)]
        private static void Start() => PopBridgeWindow.Start();

        [MenuItem(Tools + "Start PopBridge", true)]
        private static bool CanStart() =>
            EditorBridge.Session != null && EditorBridge.Session.State == EditorSession.Status.Searching;

        [MenuItem(Tools + "Check Project", false, 20)]
        internal static void AuditProject() => Audit(Found(new List<string> { Assets }));

        [MenuItem(Tools + "Check Project", true)]
        private static bool CanAudit() =>
            EditorBridge.Session != null && EditorBridge.Session.State == EditorSession.Status.Open;

        [MenuItem(Tools + Check + " Selection", false, 21)]
        [MenuItem(Context + Check, false, ContextPlace)]
        private static void AuditSelection() => Audit(Selected());

        [MenuItem(Tools + Why, false, 22)]
        [MenuItem(Context + Why, false, ContextPlace + 1)]
        private static void Ask()
        {
            var textures = Selected();
            if (textures.Count > MaxAsked) textures.RemoveRange(MaxAsked, textures.Count - MaxAsked);
            if (textures.Count > 0) PopBridgeWindow.Ask(textures);
        }

        [MenuItem(Tools + NormalMap, false, 40)]
        [MenuItem(Context + NormalMap, false, ContextPlace + 20)]
        private static void GenerateNormalMap() => Work(WorkloadJobs.NormalMap);

        [MenuItem(Tools + Compress, false, 41)]
        [MenuItem(Context + Compress, false, ContextPlace + 21)]
        private static void CompressToFile() => Work(WorkloadJobs.Compress);

        [MenuItem(Tools + Check + " Selection", true)]
        [MenuItem(Context + Check, true)]
        [MenuItem(Tools + Why, true)]
        [MenuItem(Context + Why, true)]
        [MenuItem(Tools + NormalMap, true)]
        [MenuItem(Context + NormalMap, true)]
        [MenuItem(Tools + Compress, true)]
        [MenuItem(Context + Compress, true)]
        private static bool CanWork() => CanAudit() && Selection.assetGUIDs.Length > 0;

        [MenuItem(Tools + "Settings…", false, 60)]
        private static void OpenSettings() => Settings.OpenPage();

        private static void Audit(List<string> textures)
        {
            if (textures.Count == 0)
            {
                PopBridgeWindow.Notify(Texts.Say("There is no texture in the selection."));
                return;
            }
            PopBridgeWindow.Open();
            EditorBridge.Reporter.Audit(textures);
        }

        private static void Work(string kind)
        {
            var textures = Selected();
            var count = textures.Count.ToString(CultureInfo.InvariantCulture);
            if (textures.Count == 0)
                PopBridgeWindow.Notify(Texts.Say("There is no texture in the selection."));
            else if (textures.Count <= MaxUnasked || EditorUtility.DisplayDialog(
                "PopBridge", Texts.Say("Create {n} new files beside the textures?", "n", count),
                Texts.Say("Create"), Texts.Say("Cancel")))
                EditorBridge.Jobs.Add(kind, textures);
        }

        /// <summary>Returns the selected textures, those in selected folders included.</summary>
        private static List<string> Selected()
        {
            var folders = new List<string>();
            var found = new List<string>();
            foreach (var guid in Selection.assetGUIDs)
            {
                var path = AssetDatabase.GUIDToAssetPath(guid);
                if (AssetDatabase.IsValidFolder(path)) folders.Add(path);
                else if (AssetImporter.GetAtPath(path) is TextureImporter) found.Add(path);
            }
            if (folders.Count == 0) return found;
            var known = new HashSet<string>(found);
            foreach (var path in Found(folders))
                if (known.Add(path)) found.Add(path);
            return found;
        }

        private static List<string> Found(List<string> folders)
        {
            var paths = new List<string>();
            foreach (var guid in AssetDatabase.FindAssets(Filter, folders.ToArray()))
                paths.Add(AssetDatabase.GUIDToAssetPath(guid));
            return paths;
        }
    }
}
