// What the package uses of UnityEditor, without Unity.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Reflection;
using UnityEngine;
using UnityEngine.UIElements;

namespace UnityEditor
{
    [AttributeUsage(AttributeTargets.Class)] public sealed class InitializeOnLoadAttribute : Attribute { }

    [AttributeUsage(AttributeTargets.Method)] public sealed class SettingsProviderAttribute : Attribute { }

    [AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
    public sealed class MenuItem : Attribute
    {
        public MenuItem(string path) { }
        public MenuItem(string path, bool validates) { }
        public MenuItem(string path, bool validates, int priority) { }
    }

    public static class EditorApplication
    {
        private static readonly Stopwatch Clock = Stopwatch.StartNew();
        public delegate void CallbackFunction();
        public static CallbackFunction update;
        public static event Action quitting;
        public static bool isUpdating;
        public static bool isCompiling;
        public static double timeSinceStartup => Clock.Elapsed.TotalSeconds;
        public static void Quit() => quitting?.Invoke();
    }

    public static class AssemblyReloadEvents
    {
        public delegate void AssemblyReloadCallback();
        public static event AssemblyReloadCallback beforeAssemblyReload;
        public static void Reload() => beforeAssemblyReload?.Invoke();
    }

    /// <summary>Kept in a file, so that the next process is this editor after a domain reload.</summary>
    public static class SessionState
    {
        private static string File(string key) => Path.Combine("Temp", "session-" + key);

        public static string GetString(string key, string missing)
        {
            Fake.CheckThread();
            return System.IO.File.Exists(File(key)) ? System.IO.File.ReadAllText(File(key)) : missing;
        }

        public static void SetString(string key, string value)
        {
            Fake.CheckThread();
            Directory.CreateDirectory("Temp");
            System.IO.File.WriteAllText(File(key), value);
        }
    }

    public static class EditorPrefs
    {
        private static readonly Dictionary<string, string> Values = new Dictionary<string, string>();
        public static string GetString(string key, string missing) => Values.TryGetValue(key, out var value) ? value : missing;
        public static void SetString(string key, string value) => Values[key] = value;
        public static bool GetBool(string key, bool missing) => missing;
    }

    public static class PlayerSettings
    {
        public static ColorSpace colorSpace = ColorSpace.Linear;
    }

    public static class EditorUtility
    {
        public static void SetDirty(UnityEngine.Object target) => Fake.CheckThread();
        public static bool DisplayDialog(string title, string message, string ok) => throw new InvalidOperationException("modal");
    }

    public static class Selection
    {
        public static string[] assetGUIDs = new string[0];
    }

    public class GenericMenu
    {
        public delegate void MenuFunction();
        public static readonly Dictionary<string, MenuFunction> Items = new Dictionary<string, MenuFunction>();
        public GenericMenu() => Items.Clear();
        public void AddItem(GUIContent content, bool on, MenuFunction chosen) => Items[content.text] = chosen;
        public void ShowAsContext() => Fake.CheckThread();
    }

    public class EditorWindow : ScriptableObject
    {
        private static readonly Dictionary<Type, EditorWindow> Windows = new Dictionary<Type, EditorWindow>();

        public VisualElement rootVisualElement { get; } = new VisualElement();
        public GUIContent titleContent { get; set; } = new GUIContent("");
        public Vector2 minSize { get; set; }
        public void ShowNotification(GUIContent content) => Fake.Say("notification", content.text);
        public void Focus() => Fake.Say("focus");

        public static T GetWindow<T>(string title, bool focus, params Type[] dockNextTo) where T : EditorWindow
        {
            Fake.CheckThread();
            if (Windows.TryGetValue(typeof(T), out var found)) return (T)found;
            var window = Activator.CreateInstance<T>();
            window.titleContent = new GUIContent(title);
            Windows[typeof(T)] = window;
            foreach (var name in new[] { "OnEnable", "CreateGUI" })
                typeof(T).GetMethod(name, BindingFlags.Instance | BindingFlags.NonPublic)?.Invoke(window, null);
            return window;
        }
    }

    public enum SettingsScope { User, Project }

    public class SettingsProvider
    {
        public SettingsProvider(string path, SettingsScope scope, IEnumerable<string> keywords) { }
        public string label { get; set; }
        public Action<string, VisualElement> activateHandler { get; set; }
    }

    public class AssetPostprocessor { }

    namespace PackageManager
    {
        public class PackageInfo
        {
            public string version => "0.2.0";
            public static PackageInfo FindForAssembly(Assembly assembly) => new PackageInfo();
        }
    }
}
