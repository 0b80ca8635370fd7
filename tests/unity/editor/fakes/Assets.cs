// The asset database and the texture importer, which read and write the project's `.meta` files.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text.RegularExpressions;
using UnityEngine;

namespace UnityEditor
{
    public static class AssetDatabase
    {
        private static readonly Dictionary<string, AssetImporter> Importers = new Dictionary<string, AssetImporter>();
        private static readonly List<string> Deferred = new List<string>();
        private static int editing;

        /// <summary>For tests: called before each import of a texture, as another postprocessor.</summary>
        public static Action<TextureImporter> Preprocess = importer => { };

        public static bool IsAssetImportWorkerProcess() => Fake.IsWorker;

        public static T LoadAssetAtPath<T>(string path) where T : UnityEngine.Object
        {
            Fake.CheckThread();
            path = path.Replace("Packages/com.popbridge.editor", Environment.GetEnvironmentVariable("TEST_PACKAGE"));
            return File.Exists(path) ? new TextAsset(File.ReadAllText(path)) as T : null;
        }

        public static string GetTextMetaFilePathFromAssetPath(string path) => path + ".meta";

        /// <summary>Files named `locked` are checked out by somebody else.</summary>
        public static bool MakeEditable(string[] paths, string prompt = null, List<string> outNotEditablePaths = null)
        {
            Fake.CheckThread();
            var locked = paths.Where(each => each.Contains("locked")).ToArray();
            outNotEditablePaths?.AddRange(locked);
            return locked.Length == 0;
        }

        public static void StartAssetEditing()
        {
            Change();
            editing++;
        }

        public static void StopAssetEditing()
        {
            Change();
            if (--editing == 0) Import();
        }

        public static void ImportAsset(string path)
        {
            Change();
            Deferred.Add(path);
            if (editing == 0) Import();
        }

        public static string AssetPathToGUID(string path) => path;
        public static string GetAssetPath(UnityEngine.Object asset) => (asset as Texture)?.Path ?? "";
        public static UnityEngine.Object LoadMainAssetAtPath(string path) => new UnityEngine.Object();

        public static string GenerateUniqueAssetPath(string path)
        {
            var at = path.LastIndexOf('.');
            for (var number = 0; ; number++)
            {
                var found = number == 0 ? path : path.Substring(0, at) + " " + number + path.Substring(at);
                if (!File.Exists(found)) return found;
            }
        }

        public static string GUIDToAssetPath(string guid) => guid;
        public static bool IsValidFolder(string path) => Directory.Exists(path);

        public static string[] FindAssets(string filter, string[] folders) => folders
            .SelectMany(each => Directory.GetFiles(each, "*.png", SearchOption.AllDirectories))
            .Select(each => each.Replace('\\', '/')).ToArray();

        internal static AssetImporter Importer(string path)
        {
            Fake.CheckThread();
            if (!File.Exists(path + ".meta")) return null;
            if (!Importers.TryGetValue(path, out var found)) Importers[path] = found = new TextureImporter(path);
            return path.EndsWith(".png", StringComparison.Ordinal) ? found : null;
        }

        private static void Change()
        {
            Fake.CheckThread();
            if (Fake.WorkersThrow) throw new UnityException("is not allowed in asset import workers.");
        }

        private static void Import()
        {
            if (Deferred.Count == 0) return;
            var imported = Deferred.Distinct().ToArray();
            Deferred.Clear();
            foreach (var path in imported.Where(each => each.EndsWith(".png") && !File.Exists(each + ".meta")))
                File.WriteAllText(path + ".meta", File.ReadAllText(Directory.GetFiles(Path.GetDirectoryName(path), "*.png.meta")[0]));
            foreach (var path in imported)
                if (Importer(path) is TextureImporter importer)
                {
                    Preprocess(importer);
                    importer.Write();
                    Fake.Say("imported", path);
                }
            foreach (var type in Assembly.GetExecutingAssembly().GetTypes())
            {
                if (!type.IsSubclassOf(typeof(AssetPostprocessor))) continue;
                var hook = type.GetMethod("OnPostprocessAllAssets", BindingFlags.Static | BindingFlags.NonPublic);
                hook?.Invoke(null, new object[] { imported, new string[0], new string[0], new string[0] });
            }
        }
    }

    public class AssetImporter : UnityEngine.Object
    {
        public string assetPath { get; protected set; }
        public static AssetImporter GetAtPath(string path) => AssetDatabase.Importer(path);
        public void SaveAndReimport() => AssetDatabase.ImportAsset(assetPath);
    }

    public enum TextureImporterType { Default, NormalMap }
    public enum TextureImporterShape { Texture2D = 1 }
    public enum TextureImporterAlphaSource { None, FromInput }
    public enum TextureImporterNPOTScale { None, ToNearest }
    public enum TextureImporterSingleChannelComponent { Alpha, Red }
    public enum TextureImporterMipFilter { BoxFilter, KaiserFilter }
    public enum SpriteImportMode { None, Single }
    public enum TextureImporterCompression { Uncompressed, Compressed }
    public enum TextureImporterFormat { Automatic = -1 }
#if UNITY_2022_1_OR_NEWER
    public enum TextureImporterSwizzle { R, G, B, A }
#endif

    public class TextureImporterSettings
    {
        public TextureImporterSingleChannelComponent singleChannelComponent { get; set; }
    }

    public class TextureImporterPlatformSettings
    {
        public string name { get; set; }
        public bool overridden { get; set; }
        public int maxTextureSize { get; set; }
        public TextureImporterFormat format { get; set; }
        public TextureImporterCompression textureCompression { get; set; }
        public bool crunchedCompression { get; set; }
    }

    public sealed class TextureImporter : AssetImporter
    {
        private const string Default = "DefaultTexturePlatform";

        private string text;

        internal TextureImporter(string path)
        {
            assetPath = path;
            text = File.ReadAllText(path + ".meta");
        }

        public TextureImporterType textureType { get => (TextureImporterType)Get("textureType"); set => Set("textureType", (int)value); }
        public TextureImporterShape textureShape { get => (TextureImporterShape)Get("textureShape"); set => Set("textureShape", (int)value); }
        public bool sRGBTexture { get => Get("sRGBTexture") != 0; set => Set("sRGBTexture", value ? 1 : 0); }
        public bool mipmapEnabled { get => Get("enableMipMap") != 0; set => Set("enableMipMap", value ? 1 : 0); }
        public bool convertToNormalmap { get => Get("convertToNormalMap") != 0; set => Set("convertToNormalMap", value ? 1 : 0); }
        public TextureImporterAlphaSource alphaSource { get => (TextureImporterAlphaSource)Get("alphaUsage"); set => Set("alphaUsage", (int)value); }
        public bool alphaIsTransparency { get => Get("alphaIsTransparency") != 0; set => Set("alphaIsTransparency", value ? 1 : 0); }
        public TextureImporterNPOTScale npotScale { get => (TextureImporterNPOTScale)Get("nPOTScale"); set => Set("nPOTScale", (int)value); }
        public SpriteImportMode spriteImportMode { get => (SpriteImportMode)Get("spriteMode"); set => Set("spriteMode", (int)value); }
        public bool isReadable { get => Get("isReadable") != 0; set => Set("isReadable", value ? 1 : 0); }
        public TextureWrapMode wrapModeU { get => (TextureWrapMode)Get("wrapU"); set => Set("wrapU", (int)value); }
        public TextureWrapMode wrapModeV { get => (TextureWrapMode)Get("wrapV"); set => Set("wrapV", (int)value); }
        public TextureImporterMipFilter mipmapFilter { get => (TextureImporterMipFilter)Get("mipMapMode"); set => Set("mipMapMode", (int)value); }
        public float mipMapBias { get => Get("mipBias"); set => Set("mipBias", (int)value); }
        public bool streamingMipmaps { get => Get("streamingMipmaps") != 0; set => Set("streamingMipmaps", value ? 1 : 0); }
        public bool vtOnly { get => Get("vTOnly") != 0; set => Set("vTOnly", value ? 1 : 0); }
        public FilterMode filterMode { get => (FilterMode)Get("filterMode"); set => Set("filterMode", (int)value); }
#if UNITY_2022_1_OR_NEWER
        public bool flipGreenChannel { get => Get("flipGreenChannel") != 0; set => Set("flipGreenChannel", value ? 1 : 0); }
        public TextureImporterSwizzle swizzleR { get => Swizzle(0); set => SetSwizzle(0, value); }
        public TextureImporterSwizzle swizzleG { get => Swizzle(8); set => SetSwizzle(8, value); }
        public TextureImporterSwizzle swizzleB { get => Swizzle(16); set => SetSwizzle(16, value); }
        public TextureImporterSwizzle swizzleA { get => Swizzle(24); set => SetSwizzle(24, value); }

        private TextureImporterSwizzle Swizzle(int bits) => (TextureImporterSwizzle)(Get("swizzle") >> bits & 0xFF);

        private void SetSwizzle(int bits, TextureImporterSwizzle value) =>
            Set("swizzle", Get("swizzle") & ~(0xFF << bits) | (int)value << bits);
#endif

        public void ReadTextureSettings(TextureImporterSettings into) =>
            into.singleChannelComponent = (TextureImporterSingleChannelComponent)Get("singleChannelComponent");

        public void SetTextureSettings(TextureImporterSettings from) =>
            Set("singleChannelComponent", (int)from.singleChannelComponent);

        public TextureImporterPlatformSettings GetDefaultPlatformTextureSettings() => GetPlatformTextureSettings(Default);

        public TextureImporterPlatformSettings GetPlatformTextureSettings(string platform)
        {
            var isKnown = Block(platform).Success;
            var from = isKnown ? platform : Default;
            return new TextureImporterPlatformSettings
            {
                name = platform, overridden = isKnown && Get("overridden", from) != 0,
                maxTextureSize = Get("maxTextureSize", from), format = (TextureImporterFormat)Get("textureFormat", from),
                textureCompression = (TextureImporterCompression)Get("textureCompression", from),
                crunchedCompression = Get("crunchedCompression", from) != 0,
            };
        }

        public void SetPlatformTextureSettings(TextureImporterPlatformSettings settings)
        {
            Set("overridden", settings.overridden ? 1 : 0, settings.name);
            Set("maxTextureSize", settings.maxTextureSize, settings.name);
            Set("textureFormat", (int)settings.format, settings.name);
            Set("textureCompression", (int)settings.textureCompression, settings.name);
            Set("crunchedCompression", settings.crunchedCompression ? 1 : 0, settings.name);
        }

        public void GetSourceTextureWidthAndHeight(out int width, out int height)
        {
            Fake.CheckThread();
            var head = new byte[24];
            using (var file = File.OpenRead(assetPath)) file.Read(head, 0, head.Length);
            width = head[18] << 8 | head[19];
            height = head[22] << 8 | head[23];
        }

        internal void Write() => File.WriteAllText(assetPath + ".meta", text);

        private Match Block(string platform) => Regex.Match(
            text, @"^  - serializedVersion: \d+\n    buildTarget: " + platform + @"\n(    .*\n)+", RegexOptions.Multiline);

        private static Regex Line(string key) => new Regex(@"^( +)" + key + @": (-?\d+)$", RegexOptions.Multiline);

        private int Get(string key, string platform = null)
        {
            Fake.CheckThread();
            var found = Line(key).Match(platform == null ? text : Block(platform).Value);
            return found.Success ? (int)long.Parse(found.Groups[2].Value, CultureInfo.InvariantCulture) : 0;
        }

        private void Set(string key, int value, string platform = null)
        {
            Fake.CheckThread();
            var replaced = "${1}" + key + ": " + value.ToString(CultureInfo.InvariantCulture);
            if (platform == null)
            {
                text = Line(key).Replace(text, replaced, 1);
                return;
            }
            var block = Block(platform);
            var changed = Line(key).Replace(block.Value, replaced, 1);
            text = text.Substring(0, block.Index) + changed + text.Substring(block.Index + block.Length);
        }
    }
}
