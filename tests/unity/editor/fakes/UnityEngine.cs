// What the package uses of UnityEngine, without Unity.

using System;
using System.Collections.Generic;
using System.IO;

namespace UnityEngine
{
    public class UnityException : Exception
    {
        public UnityException(string message) : base(message) { }
    }

    public class Object
    {
        public HideFlags hideFlags;
        public static void DestroyImmediate(Object each) => Fake.CheckThread();
        public static implicit operator bool(Object each) => each != null;
    }

    [Flags] public enum HideFlags { None = 0, HideAndDontSave = 61 }
    public enum ColorSpace { Uninitialized = -1, Gamma, Linear }
    public enum TextureWrapMode { Repeat, Clamp, Mirror, MirrorOnce }
    public enum FilterMode { Point, Bilinear, Trilinear }
    public enum ScaleMode { StretchToFill, ScaleAndCrop, ScaleToFit }
    public enum FontStyle { Normal, Bold, Italic, BoldAndItalic }
    public enum KeyCode { None = 0, Return = 13, Escape = 27, Space = 32, RightArrow = 275, LeftArrow = 276 }
    public enum SystemLanguage { Chinese = 6, English = 10, Japanese = 22, Korean = 23, ChineseSimplified = 40, ChineseTraditional = 41 }

    public struct Vector2
    {
        public Vector2(float x, float y) { }
    }

    public struct Vector3
    {
        public float x;
    }

    public struct Rect
    {
        public Rect(float x, float y, float width, float height)
        {
            this.x = x;
            this.y = y;
            this.width = width;
            this.height = height;
        }

        public float x { get; }
        public float y { get; }
        public float width { get; }
        public float height { get; }
        public float xMax => x + width;
    }

    public struct Color
    {
        public Color(float r, float g, float b, float a = 1) { }
        public static Color white => new Color(1, 1, 1);
    }

    public static class Mathf
    {
        public static float Min(float one, float other) => Math.Min(one, other);
        public static float Max(float one, float other) => Math.Max(one, other);
        public static int Max(int one, int other) => Math.Max(one, other);
        public static float Clamp01(float value) => Math.Max(0, Math.Min(1, value));
        public static float Round(float value) => (float)Math.Round(value);
    }

    public enum EventType { Repaint = 7, Layout = 8 }

    public class Event
    {
        public static Event current { get; set; }
        public EventType type { get; set; }
    }

    public static class GUI
    {
        public static int Drawn;
        public static void DrawTexture(Rect place, Texture image) => Drawn++;
    }

    public static class Resources
    {
        /// <summary>For tests: the loaded materials.</summary>
        public static readonly List<Material> Materials = new List<Material>();
        public static T[] FindObjectsOfTypeAll<T>() => (T[])(object)Materials.ToArray();
    }

    public class Shader : Object
    {
        public string name { get; set; }
        public string[] Slots = new string[0];
        public Rendering.ShaderPropertyFlags Flags;
        public int GetPropertyCount() => Slots.Length;
        public string GetPropertyName(int each) => Slots[each];
        public Rendering.ShaderPropertyType GetPropertyType(int each) => Rendering.ShaderPropertyType.Texture;
        public Rendering.ShaderPropertyFlags GetPropertyFlags(int each) => Flags;
    }

    public class Material : Object
    {
        public readonly Dictionary<string, Texture> Textures = new Dictionary<string, Texture>();
        public Shader shader { get; set; }
        public Texture GetTexture(string name) => Textures.TryGetValue(name, out var found) ? found : null;
    }

    public class ScriptableObject : Object { }

    public class TextAsset : Object
    {
        public TextAsset(string text) => this.text = text;
        public string text { get; }
    }

    public class Texture : Object
    {
        public string Path = "";
        public virtual int width => 64;
        public virtual int height => 64;
    }

    public class Texture2D : Texture
    {
        public Texture2D(int width, int height) => Fake.CheckThread();
    }

    public static class ImageConversion
    {
        /// <summary>Whether it is a PNG or JPEG.</summary>
        public static bool LoadImage(this Texture2D picture, byte[] data)
        {
            Fake.CheckThread();
            return data.Length > 8 && (data[0] == 0x89 && data[1] == 0x50 || data[0] == 0xFF && data[1] == 0xD8);
        }
    }

    public class GUIContent
    {
        public GUIContent(string text) => this.text = text;
        public string text { get; set; }
        public Texture image { get; set; }
    }

    namespace Rendering
    {
        public enum ShaderPropertyType { Color, Vector, Float, Range, Texture }
        [Flags] public enum ShaderPropertyFlags { None, Normal = 8 }
    }

    public static class Application
    {
        public static string unityVersion => Fake.Version;
        public static bool isBatchMode => Fake.IsBatchMode;
        public static string productName { get { Fake.CheckThread(); return "Project"; } }
        public static string dataPath { get { Fake.CheckThread(); return Path.Combine(Directory.GetCurrentDirectory(), "Assets"); } }
        public static void OpenURL(string url) => Fake.CheckThread();
    }

    public static class Debug
    {
        public static void LogException(Exception error) => Fake.Say("exception", error.ToString().Replace("\n", " | "));
        public static void Log(object message) => Fake.Say("log", message.ToString().Replace("\n", "|"));
        public static void LogWarning(object message) => Fake.Say("warning", message.ToString());
    }
}
