// What the package uses of UnityEngine, without Unity.

using System;
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
    public enum KeyCode { None = 0, Space = 32, RightArrow = 275, LeftArrow = 276 }
    public enum SystemLanguage { Chinese = 6, English = 10, Japanese = 22, Korean = 23, ChineseSimplified = 40, ChineseTraditional = 41 }

    public struct Vector2
    {
        public Vector2(float x, float y) { }
    }

    public struct Color
    {
        public Color(float r, float g, float b) { }
    }

    public class ScriptableObject : Object { }

    public class TextAsset : Object
    {
        public TextAsset(string text) => this.text = text;
        public string text { get; }
    }

    public class Texture : Object { }

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
    }
}
