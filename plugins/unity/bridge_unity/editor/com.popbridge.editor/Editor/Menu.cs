using System.Collections.Generic;
using UnityEditor;
using UnityEngine.UIElements;

namespace PopBridge.Editor
{
    /// <summary>The menu Tools > PopBridge and the page in Preferences.</summary>
    internal static class Menu
    {
        private const string Root = "Tools/PopBridge/";

        /// <summary>In the context menu of the Project window.</summary>
        private const string Context = "Assets/Check with PopBridge";

        private static readonly List<string> Locales = new List<string> { "", "en", "zh-CN" };

        [MenuItem(Root + "Show", false, 1)]
        private static void Show() => PopBridgeWindow.Open();

        [MenuItem(Root + "Start PopBridge", false, 2)]
        private static void Start()
        {
            var problem = EditorBridge.StartDaemon();
            if (problem.Length > 0) EditorUtility.DisplayDialog("PopBridge", problem, "OK");
        }

        [MenuItem(Root + "Start PopBridge", true)]
        private static bool CanStart() =>
            EditorBridge.Session != null && EditorBridge.Session.State == Connection.EditorSession.Status.Searching;

        [MenuItem(Root + "Check selected textures", false, 20)]
        [MenuItem(Context, false, 1100)]
        private static void Check()
        {
            var folders = new List<string>();
            foreach (var guid in Selection.assetGUIDs)
            {
                var path = AssetDatabase.GUIDToAssetPath(guid);
                if (AssetDatabase.IsValidFolder(path)) folders.Add(path);
                else EditorBridge.Reporter.Add(path);
            }
            if (folders.Count == 0) return;
            foreach (var guid in AssetDatabase.FindAssets("t:Texture", folders.ToArray()))
                EditorBridge.Reporter.Add(AssetDatabase.GUIDToAssetPath(guid));
        }

        [MenuItem(Root + "Check selected textures", true)]
        [MenuItem(Context, true)]
        private static bool CanCheck() => EditorBridge.Session != null && Selection.assetGUIDs.Length > 0;

        [SettingsProvider]
        private static SettingsProvider Settings() =>
            new SettingsProvider("Preferences/PopBridge", SettingsScope.User, new[] { "PopBridge", "texture" })
            {
                label = "PopBridge",
                activateHandler = (search, root) => Fill(root),
            };

        private static void Fill(VisualElement root)
        {
            var names = new List<string> { Texts.Say("As Unity"), "English", "简体中文" };
            var chosen = Locales.IndexOf(EditorPrefs.GetString(Texts.Preference, ""));
            var language = new DropdownField(Texts.Say("Language"), names, chosen < 0 ? 0 : chosen);
            language.RegisterValueChangedCallback(changed =>
                EditorPrefs.SetString(Texts.Preference, Locales[names.IndexOf(changed.newValue)]));
            root.Add(new Label(PopBridgeWindow.ConnectionText()));
            root.Add(language);
            root.Add(new Label(Texts.Say("Popups are in the new language after the next start of Unity.")));
        }
    }
}
