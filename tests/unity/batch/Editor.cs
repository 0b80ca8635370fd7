// An editor in batch mode: what BatchAudit uses of Unity, and Unity's command line.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;

public static class Editor
{
    public static int Main(string[] arguments)
    {
        string Value(string name) => arguments.SkipWhile(each => each != name).Skip(1).FirstOrDefault();
        if (!arguments.Contains("-batchmode") || !arguments.Contains("-nographics") || !arguments.Contains("-quit")) return 2;
        Directory.SetCurrentDirectory(Value("-projectPath"));
        using (var log = new StreamWriter(Value("-logFile")))
        {
            UnityEngine.Debug.Writer = log;
            var method = Value("-executeMethod");
            var type = Assembly.GetExecutingAssembly().GetType(method.Substring(0, method.LastIndexOf('.')));
            if (type == null)
            {
                log.WriteLine("executeMethod class '" + method + "' could not be found.");
                return 1;
            }
            try
            {
                type.GetMethod(method.Substring(method.LastIndexOf('.') + 1), Type.EmptyTypes).Invoke(null, null);
            }
            catch (TargetInvocationException error)
            {
                log.WriteLine(error.InnerException);
                log.WriteLine("executeMethod method " + method + " threw exception.");
                return 1;
            }
        }
        return 0;
    }
}

namespace UnityEngine
{
    public class Object { }

    public static class Application
    {
        public static string unityVersion => File.ReadAllText("ProjectSettings/ProjectVersion.txt").Split('\n')[0].Substring(17).Trim();
    }

    public static class Debug
    {
        public static TextWriter Writer;
        public static void Log(object message) => Writer.WriteLine(message);
    }

    public enum TextureFormat { BC7 = 25 }

    public abstract class Texture : Object
    {
        public string Path = "";
        public int width { get; set; }
        public int height { get; set; }
        public int mipmapCount { get; set; } = 1;
        public virtual Rendering.TextureDimension dimension => Rendering.TextureDimension.Tex2D;
        public Experimental.Rendering.GraphicsFormat graphicsFormat => Experimental.Rendering.GraphicsFormat.RGBA_BC7_SRGB;
    }

    public class Texture2D : Texture
    {
        public TextureFormat format => TextureFormat.BC7;
    }

    public class Cubemap : Texture
    {
        public override Rendering.TextureDimension dimension => Rendering.TextureDimension.Cube;
    }

    public class Texture2DArray : Texture { public int depth => 3; }
    public class Texture3D : Texture { public int depth => 4; }
    public class CubemapArray : Texture { public int cubemapCount => 2; }

    public class Shader : Object
    {
        public string name;
        public string[] Slots;
        public bool IsNormal;
        public int GetPropertyCount() => Slots.Length + 1;
        public string GetPropertyName(int each) => Slots[each - 1];
        public Rendering.ShaderPropertyType GetPropertyType(int each) => each == 0 ? Rendering.ShaderPropertyType.Float : Rendering.ShaderPropertyType.Texture;
        public Rendering.ShaderPropertyFlags GetPropertyFlags(int each) => IsNormal ? Rendering.ShaderPropertyFlags.Normal : Rendering.ShaderPropertyFlags.None;
    }

    public class Material : Object
    {
        public Shader shader;
        public Texture Image;
        public Texture GetTexture(string name) => Image;
    }

    namespace Rendering
    {
        public enum TextureDimension { Tex2D = 2, Tex3D, Cube, Tex2DArray, CubeArray }
        public enum ShaderPropertyType { Color, Vector, Float, Range, Texture }
        [Flags] public enum ShaderPropertyFlags { None, Normal = 8 }
    }

    namespace Experimental.Rendering
    {
        public enum GraphicsFormat { RGBA_BC7_SRGB = 108 }

        public class GraphicsFormatUtility
        {
            public static uint GetBlockSize(GraphicsFormat format) => 16;
            public static uint GetBlockWidth(GraphicsFormat format) => 4;
            public static uint GetBlockHeight(GraphicsFormat format) => 4;
        }
    }
}

namespace UnityEditor
{
    using UnityEngine;

    public enum BuildTarget { StandaloneWindows64 = 19 }

    public static class EditorUserBuildSettings
    {
        public static BuildTarget activeBuildTarget => BuildTarget.StandaloneWindows64;
    }

    public static class EditorUtility
    {
        public static void UnloadUnusedAssetsImmediate() { }
    }

    public class AssetImporter : Object
    {
        public static AssetImporter GetAtPath(string path) => path.EndsWith(".png") ? new TextureImporter() : new AssetImporter();
    }

    public class TextureImporter : AssetImporter { }

    public static class AssetDatabase
    {
        public static string[] FindAssets(string filter, string[] folders)
        {
            // A model is found by the materials in it, each time.
            var ends = filter == "t:Texture" ? new[] { ".png", ".renderTexture" } : new[] { ".fbx", ".fbx" };
            return folders.Where(Directory.Exists).SelectMany(each => Directory.GetFiles(each, "*", SearchOption.AllDirectories))
                .SelectMany(each => ends.Where(each.EndsWith).Select(_ => each.Replace('\\', '/'))).Concat(new[] { "Packages/com.far.away/x.png" })
                .ToArray();
        }

        public static string GUIDToAssetPath(string guid) => guid;
        public static string GetAssetPath(Object asset) => ((Texture)asset).Path;

        public static T LoadAssetAtPath<T>(string path) where T : Object
        {
            if (path.Contains("broken")) throw new IOException("it can't be \"read\"");
            var head = new byte[24];
            using (var file = File.OpenRead(path)) file.Read(head, 0, head.Length);
            Texture found = path.Contains("cube") ? new Cubemap() : path.Contains("array") ? new Texture2DArray()
                : path.Contains("volume") ? (Texture)new Texture3D() : new Texture2D { mipmapCount = 3 };
            found.width = head[18] << 8 | head[19];
            found.height = head[22] << 8 | head[23];
            return (T)(object)found;
        }

        /// <summary>The lines of a model are shader, slot, whether it is a normal map's, and texture.</summary>
        public static Object[] LoadAllAssetsAtPath(string path) => File.ReadAllLines(path).Select(line => line.Split('|')).Select(each => (Object)new Material
        {
            shader = each[0] == "" ? null : new Shader { name = each[0], Slots = new[] { each[1] }, IsNormal = each[2] == "normal" },
            Image = each[3] == "" ? null : new Texture2D { Path = each[3] },
        }).Concat(new Object[] { new Texture2D() }).ToArray();
    }
}
