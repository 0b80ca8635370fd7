using System;
using System.Collections.Generic;
using System.IO;
using System.Text.RegularExpressions;
using UnityEditor;
using UnityEngine;

namespace PopBridge.Editor
{
    /// <summary>
    /// The import settings of one texture by the names and values of PopBridge's adapter: `sRGBTexture`,
    /// `Standalone.maxTextureSize`. Values are bool, long, double and string; null if this version lacks the setting.
    /// </summary>
    internal sealed class TextureSettings
    {
        private const string Default = "DefaultTexturePlatform";
        private const string ColorSpaceName = "PlayerSettings.colorSpace";

        private static readonly Regex Target = new Regex(@"^    buildTarget: (.+?)\s*$", RegexOptions.Multiline);

        private readonly TextureImporter importer;
        private readonly Dictionary<string, TextureImporterPlatformSettings> platforms =
            new Dictionary<string, TextureImporterPlatformSettings>();

        private TextureSettings(TextureImporter importer) => this.importer = importer;

        /// <summary>Returns the settings of a texture; null if the asset is no texture or not in the project's folder.</summary>
        public static TextureSettings Of(string path) =>
            AssetImporter.GetAtPath(path) is TextureImporter importer && File.Exists(path)
                ? new TextureSettings(importer)
                : null;

        /// <summary>Returns all settings, those of the platforms included that the `.meta` file names.</summary>
        public Dictionary<string, object> All()
        {
            var all = new Dictionary<string, object>();
            foreach (var name in TextureTables.Own.Keys) Add(all, name);
            foreach (var platform in Platforms())
                foreach (var name in TextureTables.Platform.Keys) Add(all, platform + "." + name);
            if (PlayerSettings.colorSpace == ColorSpace.Gamma) all[ColorSpaceName] = "Gamma";
            return all;
        }

        /// <summary>Returns a setting's value; null if there is none of that name.</summary>
        public object Get(string name)
        {
            var at = name.LastIndexOf('.');
            var value = at < 0 ? Own(name) : OfPlatform(name.Substring(0, at), name.Substring(at + 1));
            if (!(value is int number)) return value;
            var names = Names(name);
            return names != null && names.TryGetValue(number, out var text) ? text : (object)(long)number;
        }

        /// <summary>Whether the setting exists in this version of Unity and can have this value.</summary>
        public bool CanBe(string name, object value)
        {
            var now = Get(name);
            if (now is double) return value is long || value is double;
            return now != null && value is bool == now is bool && Number(Names(name), value, out _);
        }

        /// <summary>Sets a value that it can have, without importing.</summary>
        public void Set(string name, object value)
        {
            if (name == "mipMapBias")
            {
                importer.mipMapBias = Convert.ToSingle(value);
                return;
            }
            Number(Names(name), value, out var number);
            var at = name.LastIndexOf('.');
            if (at < 0) SetOwn(name, number);
            else SetOfPlatform(name.Substring(0, at), name.Substring(at + 1), number);
        }

        /// <summary>Hands the settings of platforms over to the importer, and imports the texture.</summary>
        public void Apply()
        {
            foreach (var each in platforms.Values) importer.SetPlatformTextureSettings(each);
            EditorUtility.SetDirty(importer);
            importer.SaveAndReimport();
        }

        private void Add(Dictionary<string, object> all, string name)
        {
            var value = Get(name);
            if (value != null) all[name] = value;
        }

        private static Dictionary<int, string> Names(string name)
        {
            var at = name.LastIndexOf('.');
            var table = at < 0 ? TextureTables.Own : TextureTables.Platform;
            return table.TryGetValue(name.Substring(at + 1), out var names) ? names : null;
        }

        private IEnumerable<string> Platforms()
        {
            var found = new List<string> { Default };
            try
            {
                var meta = File.ReadAllText(AssetDatabase.GetTextMetaFilePathFromAssetPath(importer.assetPath));
                foreach (Match match in Target.Matches(meta))
                    if (!found.Contains(match.Groups[1].Value)) found.Add(match.Groups[1].Value);
            }
            catch (Exception error) when (error is IOException || error is UnauthorizedAccessException)
            {
                // The default's settings are there without the file.
            }
            return found;
        }

        private static bool Number(Dictionary<int, string> names, object value, out int number)
        {
            number = 0;
            switch (value)
            {
                case bool on:
                    number = on ? 1 : 0;
                    return names == null;
                case long integer when integer >= int.MinValue && integer <= int.MaxValue:
                    number = (int)integer;
                    return true;
                case double real when real == Math.Floor(real) && Math.Abs(real) < int.MaxValue:
                    number = (int)real;
                    return true;
                case string text when names != null:
                    foreach (var pair in names)
                    {
                        if (pair.Value != text) continue;
                        number = pair.Key;
                        return true;
                    }
                    return false;
                default:
                    return false;
            }
        }

        /// <summary>Returns a bool, an int, a double, or null.</summary>
        private object Own(string name)
        {
            switch (name)
            {
                case "textureType": return (int)importer.textureType;
                case "textureShape": return (int)importer.textureShape;
                case "sRGBTexture": return importer.sRGBTexture;
                case "mipmapEnabled": return importer.mipmapEnabled;
                case "convertToNormalmap": return importer.convertToNormalmap;
                case "alphaSource": return (int)importer.alphaSource;
                case "alphaIsTransparency": return importer.alphaIsTransparency;
                case "npotScale": return (int)importer.npotScale;
                case "singleChannelComponent": return (int)Rest().singleChannelComponent;
                case "spriteImportMode": return (int)importer.spriteImportMode;
                case "isReadable": return importer.isReadable;
                case "wrapModeU": return (int)importer.wrapModeU;
                case "wrapModeV": return (int)importer.wrapModeV;
                case "filterMode": return (int)importer.filterMode;
                case "mipmapFilter": return (int)importer.mipmapFilter;
                case "mipMapBias": return (double)importer.mipMapBias;
                case "streamingMipmaps": return importer.streamingMipmaps;
                case "vtOnly": return importer.vtOnly;
#if UNITY_2022_1_OR_NEWER
                case "flipGreenChannel": return importer.flipGreenChannel;
                case "swizzle":
                    return (int)importer.swizzleR | (int)importer.swizzleG << 8 | (int)importer.swizzleB << 16
                        | (int)importer.swizzleA << 24;
#endif
                default: return null;
            }
        }

        private void SetOwn(string name, int value)
        {
            switch (name)
            {
                case "textureType": importer.textureType = (TextureImporterType)value; break;
                case "textureShape": importer.textureShape = (TextureImporterShape)value; break;
                case "sRGBTexture": importer.sRGBTexture = value != 0; break;
                case "mipmapEnabled": importer.mipmapEnabled = value != 0; break;
                case "convertToNormalmap": importer.convertToNormalmap = value != 0; break;
                case "alphaSource": importer.alphaSource = (TextureImporterAlphaSource)value; break;
                case "alphaIsTransparency": importer.alphaIsTransparency = value != 0; break;
                case "npotScale": importer.npotScale = (TextureImporterNPOTScale)value; break;
                case "singleChannelComponent":
                    var rest = Rest();
                    rest.singleChannelComponent = (TextureImporterSingleChannelComponent)value;
                    importer.SetTextureSettings(rest);
                    break;
                case "spriteImportMode": importer.spriteImportMode = (SpriteImportMode)value; break;
                case "isReadable": importer.isReadable = value != 0; break;
                case "wrapModeU": importer.wrapModeU = (TextureWrapMode)value; break;
                case "wrapModeV": importer.wrapModeV = (TextureWrapMode)value; break;
                case "filterMode": importer.filterMode = (FilterMode)value; break;
                case "mipmapFilter": importer.mipmapFilter = (TextureImporterMipFilter)value; break;
                case "streamingMipmaps": importer.streamingMipmaps = value != 0; break;
                case "vtOnly": importer.vtOnly = value != 0; break;
#if UNITY_2022_1_OR_NEWER
                case "flipGreenChannel": importer.flipGreenChannel = value != 0; break;
                case "swizzle":
                    importer.swizzleR = (TextureImporterSwizzle)(value & 0xFF);
                    importer.swizzleG = (TextureImporterSwizzle)(value >> 8 & 0xFF);
                    importer.swizzleB = (TextureImporterSwizzle)(value >> 16 & 0xFF);
                    importer.swizzleA = (TextureImporterSwizzle)(value >> 24 & 0xFF);
                    break;
#endif
            }
        }

        /// <summary>Returns the settings that are no properties of the importer.</summary>
        private TextureImporterSettings Rest()
        {
            var rest = new TextureImporterSettings();
            importer.ReadTextureSettings(rest);
            return rest;
        }

        private object OfPlatform(string platform, string name)
        {
            var found = Settings(platform);
            switch (name)
            {
                case "overridden": return found.overridden;
                case "maxTextureSize": return found.maxTextureSize;
                case "format": return (int)found.format;
                case "textureCompression": return (int)found.textureCompression;
                case "crunchedCompression": return found.crunchedCompression;
                default: return null;
            }
        }

        private void SetOfPlatform(string platform, string name, int value)
        {
            var changed = Settings(platform);
            switch (name)
            {
                case "overridden": changed.overridden = value != 0; break;
                case "maxTextureSize": changed.maxTextureSize = value; break;
                case "format": changed.format = (TextureImporterFormat)value; break;
                case "textureCompression":
                    changed.textureCompression = (TextureImporterCompression)value;
                    break;
                case "crunchedCompression": changed.crunchedCompression = value != 0; break;
            }
            platforms[platform] = changed;
        }

        private TextureImporterPlatformSettings Settings(string platform)
        {
            if (platforms.TryGetValue(platform, out var changed)) return changed;
            return platform == Default
                ? importer.GetDefaultPlatformTextureSettings()
                : importer.GetPlatformTextureSettings(platform);
        }
    }
}
