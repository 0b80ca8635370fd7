// What the package uses of UnityEditor, without Unity.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
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
        public readonly string Path;
        public readonly bool Validates;
        public MenuItem(string path) : this(path, false) { }
        public MenuItem(string path, bool validates) : this(path, validates, 1000) { }

        public MenuItem(string path, bool validates, int priority)
        {
            Path = path;
            Validates = validates;
        }

        /// <summary>For tests: chooses an entry, if it is enabled. Returns whether it is.</summary>
        public static bool Choose(string path)
        {
            var entries = (from type in Assembly.GetExecutingAssembly().GetTypes()
                           from method in type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
                           from item in method.GetCustomAttributes<MenuItem>()
                           where item.Path == path
                           select new { method, item.Validates }).ToArray();
            foreach (var each in entries)
                if (each.Validates && !(bool)each.method.Invoke(null, null)) return false;
            entries.Single(each => !each.Validates).method.Invoke(null, null);
            return true;
        }
    }

    public static class EditorApplication
    {
        private static readonly Stopwatch Clock = Stopwatch.StartNew();
        public delegate void CallbackFunction();
        public delegate void ProjectWindowItemCallback(string guid, Rect area);
        public static CallbackFunction update;
        public static ProjectWindowItemCallback projectWindowItemOnGUI;
        public static void RepaintProjectWindow() => Fake.CheckThread();
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
        public static bool DisplayDialog(string title, string message, string ok, string cancel)
        {
            Fake.Say("dialog");
            return true;
        }

        public static void OpenWithDefaultApp(string file) => Fake.CheckThread();
    }

    public static class EditorGUIUtility
    {
        public static bool isProSkin { get; set; } = true;
        public static string systemCopyBuffer { get; set; }
        public static void PingObject(UnityEngine.Object target) => Fake.CheckThread();
        public static GUIContent IconContent(string name) => new GUIContent(name) { image = new Texture2D(16, 16) };
    }

    public static class EditorUserSettings
    {
        private static readonly Dictionary<string, string> Values = new Dictionary<string, string>();
        public static string GetConfigValue(string name) => Values.TryGetValue(name, out var value) ? value : null;
        public static void SetConfigValue(string name, string value) => Values[name] = value;
    }

    public static class Progress
    {
        public enum Options { None }
        public enum Status { Running, Succeeded, Failed, Canceled }

        /// <summary>For tests: what each task last said, and its way to be cancelled.</summary>
        public static readonly Dictionary<int, string> Tasks = new Dictionary<int, string>();
        public static readonly Dictionary<int, Func<bool>> Cancels = new Dictionary<int, Func<bool>>();
        private static int last;

        public static int Start(string name, string description = null, Options options = Options.None, int parentId = -1)
        {
            Fake.CheckThread();
            Tasks[++last] = name;
            Fake.Say("task", "start", last.ToString());
            return last;
        }

        public static void Report(int id, float progress, string description = null)
        {
            if (!Tasks.ContainsKey(id) || progress < 0 || progress > 1) throw new ArgumentException("no such task");
        }

        public static void Finish(int id, Status status = Status.Succeeded)
        {
            if (!Tasks.Remove(id)) throw new ArgumentException("no such task");
            Fake.Say("task", status.ToString(), id.ToString());
        }

        public static int Remove(int id) => Tasks.Remove(id) ? id : throw new ArgumentException("no such task");
        public static void RegisterCancelCallback(int id, Func<bool> callback) => Cancels[id] = callback;

        /// <summary>For tests: as when a person cancels all tasks.</summary>
        public static void CancelAll()
        {
            foreach (var id in new List<int>(Tasks.Keys))
                if (Cancels.TryGetValue(id, out var callback) && callback()) Finish(id, Status.Canceled);
        }
    }

    public static class SettingsService
    {
        public static EditorWindow OpenProjectSettings(string path) => null;
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
        public void ShowNotification(GUIContent content, double fadeoutWait) => Fake.Say("notification", content.text);
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

    public class SceneView : EditorWindow
    {
        public static SceneView lastActiveSceneView { get; set; }
    }

    public enum SettingsScope { User, Project }

    public class SettingsProvider
    {
        public SettingsProvider(string path, SettingsScope scope, IEnumerable<string> keywords) { }
        public string label { get; set; }
        public Action<string, VisualElement> activateHandler { get; set; }
        public Action deactivateHandler { get; set; }
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
