using System.Collections.Generic;
using System.IO;
using PopBridge.Connection;
using UnityEditor;
using UnityEngine.UIElements;

namespace PopBridge.Editor
{
    /// <summary>What a person can switch, each for this project on this machine, and its page in the project settings.</summary>
    internal static class Settings
    {
        private const string Page = "Project/PopBridge";
        private const string Manual = "Packages/com.popbridge.editor/Documentation~/index.md";
        private const string Off = "off";
        private const float Pad = 8;

        private static readonly List<string> Locales = new List<string> { "", "en", "zh-CN" };

        /// <summary>Whether imports are reported by themselves.</summary>
        internal static bool ChecksImports
        {
            get => Get("PopBridge.checkImports");
            set => Set("PopBridge.checkImports", value);
        }

        /// <summary>Whether textures with an open finding have a mark in the Project window.</summary>
        internal static bool ShowsBadges
        {
            get => Get("PopBridge.badges");
            set => Set("PopBridge.badges", value);
        }

        /// <summary>Whether a new popup is announced.</summary>
        internal static bool ShowsNotifications
        {
            get => Get("PopBridge.notifications");
            set => Set("PopBridge.notifications", value);
        }

        internal static void OpenPage() => SettingsService.OpenProjectSettings(Page);

        // All are on at first.
        private static bool Get(string name) => EditorUserSettings.GetConfigValue(name) != Off;

        private static void Set(string name, bool isOn) => EditorUserSettings.SetConfigValue(name, isOn ? "" : Off);

        [SettingsProvider]
        internal static SettingsProvider Provider()
        {
            var page = new StatusPage();
            return new SettingsProvider(Page, SettingsScope.Project, new[] { "PopBridge", "texture", "import" })
            {
                label = "PopBridge", activateHandler = (search, root) => page.Show(root), deactivateHandler = page.Hide,
            };
        }

        /// <summary>The page, which follows the connection while it is shown.</summary>
        private sealed class StatusPage
        {
            private readonly Label connection = Skin.Text("");
            private readonly Label adapter = Skin.Text("");
            private readonly Button start = new Button(PopBridgeWindow.Start) { text = Texts.Say("Start PopBridge") };

            internal void Show(VisualElement root)
            {
                var session = EditorBridge.Session;
                if (session == null) return;
                session.StatusChanged -= ShowStatus;
                session.StatusChanged += ShowStatus;
                root.style.paddingLeft = root.style.paddingTop = Pad;
                root.Add(Skin.Heading("PopBridge"));
                root.Add(connection);
                root.Add(adapter);
                root.Add(Skin.Text(Texts.Say("Package {version}", "version", EditorBridge.PackageVersion())));
                root.Add(start);
                AddSwitches(root);
                AddLanguage(root);
                root.Add(new Button(PopBridgeWindow.Open) { text = Texts.Say("Open the PopBridge window") });
                root.Add(new Button(() => EditorUtility.OpenWithDefaultApp(Path.GetFullPath(Manual)))
                {
                    text = Texts.Say("Open the manual"),
                });
                ShowStatus();
            }

            internal void Hide()
            {
                if (EditorBridge.Session != null) EditorBridge.Session.StatusChanged -= ShowStatus;
            }

            private void ShowStatus()
            {
                var session = EditorBridge.Session;
                var isOpen = session.State == EditorSession.Status.Open;
                connection.text = PopBridgeWindow.ConnectionText();
                adapter.text = !isOpen || session.Welcome.Adapter == null ? ""
                    : Texts.Say("Settings of Unity {range}", "range", session.Welcome.Adapter.Range);
                Skin.SetShown(adapter, adapter.text.Length > 0);
                Skin.SetShown(start, session.State == EditorSession.Status.Searching);
            }

            private static void AddSwitches(VisualElement root)
            {
                root.Add(Switch(Texts.Say("Check textures when they are imported"), ChecksImports, isOn => ChecksImports = isOn));
                root.Add(Switch(Texts.Say("Mark textures with findings in the Project window"), ShowsBadges, isOn =>
                {
                    ShowsBadges = isOn;
                    ProjectBadges.Refresh();
                }));
                root.Add(Switch(Texts.Say("Announce new popups"), ShowsNotifications, isOn => ShowsNotifications = isOn));
            }

            private static Toggle Switch(string text, bool isOn, System.Action<bool> changed)
            {
                var box = new Toggle { text = text, value = isOn };
                box.RegisterValueChangedCallback(happened => changed(happened.newValue));
                return box;
            }

            private static void AddLanguage(VisualElement root)
            {
                var names = new List<string> { Texts.Say("As Unity"), "English", "简体中文" };
                var chosen = Locales.IndexOf(EditorPrefs.GetString(Texts.Preference, ""));
                var language = new DropdownField(Texts.Say("Language"), names, chosen < 0 ? 0 : chosen);
                language.RegisterValueChangedCallback(changed =>
                    EditorPrefs.SetString(Texts.Preference, Locales[names.IndexOf(changed.newValue)]));
                root.Add(language);
                root.Add(Skin.Text(Texts.Say("Popups are in the new language after the next start of Unity.")));
            }
        }
    }
}
