using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using UnityEditor;
using UnityEngine;
using UnityEngine.Experimental.Rendering;
using UnityEngine.Rendering;

namespace PopBridge.Editor
{
    /// <summary>
    /// What `popbridge audit --with-editor` runs in batch mode: reads the formats, memory and uses of all textures, which
    /// their .meta files don't tell. It changes no asset.
    /// </summary>
    /// <remarks>
    /// It stands in an assembly of its own, so that it runs even if nothing else of the package can be loaded.
    /// </remarks>
    public static class BatchAudit
    {
        private const int Version = 1;
        private const int MaxErrors = 100;

        /// <summary>Textures after which memory is freed.</summary>
        private const int UnloadEvery = 64;

        private static readonly string[] Roots = { "Assets", "Packages" };

        /// <summary>
        /// Writes the report to the file that the variable POPBRIDGE_REPORT names, all at once. An exception ends the
        /// editor with the exit code 1.
        /// </summary>
        public static void Run()
        {
            var file = Environment.GetEnvironmentVariable("POPBRIDGE_REPORT");
            if (string.IsNullOrEmpty(file)) throw new InvalidOperationException("POPBRIDGE_REPORT isn't set");
            var report = Read();
            var draft = file + ".part";
            File.WriteAllText(draft, report, new UTF8Encoding(false));
            File.Move(draft, file);
            Debug.Log("PopBridge: the report is written");
        }

        /// <summary>Returns the report as JSON, as `EditorReport` of PopBridge's Python package describes it.</summary>
        public static string Read()
        {
            var errors = new List<string>();
            var uses = Uses(errors);
            var json = new StringBuilder();
            json.Append("{\"version\":").Append(Version).Append(",\"engine\":");
            Quote(json, Application.unityVersion);
            json.Append(",\"platform\":");
            Quote(json, EditorUserBuildSettings.activeBuildTarget.ToString());
            json.Append(",\"textures\":[");
            var count = 0;
            foreach (var path in Paths("t:Texture"))
            {
                if (!(AssetImporter.GetAtPath(path) is TextureImporter)) continue;
                try
                {
                    var entry = Entry(path, uses);
                    if (count++ > 0) json.Append(',');
                    json.Append('\n').Append(entry);
                }
                catch (Exception error)
                {
                    Add(errors, path, error);
                }
                if (count % UnloadEvery == 0) EditorUtility.UnloadUnusedAssetsImmediate();
            }
            json.Append("],\"errors\":[");
            for (var each = 0; each < errors.Count; each++)
            {
                if (each > 0) json.Append(',');
                Quote(json, errors[each]);
            }
            return json.Append("]}").ToString();
        }

        /// <summary>Returns the project's own assets: those of packages from elsewhere aren't in its folder.</summary>
        private static IEnumerable<string> Paths(string filter)
        {
            var seen = new HashSet<string>();
            foreach (var guid in AssetDatabase.FindAssets(filter, Roots))
            {
                var path = AssetDatabase.GUIDToAssetPath(guid);
                // A file with several assets is found once for each.
                if (IsOwn(path) && seen.Add(path)) yield return path;
            }
        }

        private static bool IsOwn(string path)
        {
            if (path.StartsWith("Assets/", StringComparison.Ordinal)) return true;
            var parts = path.Split('/');
            return parts.Length > 2 && parts[0] == "Packages" && Directory.Exists("Packages/" + parts[1]);
        }

        private static string Entry(string path, Dictionary<string, List<string>> uses)
        {
            var json = new StringBuilder("{\"path\":");
            Quote(json, path);
            var texture = AssetDatabase.LoadAssetAtPath<Texture>(path);
            if (texture != null)
            {
                json.Append(",\"width\":").Append(texture.width).Append(",\"height\":").Append(texture.height);
                json.Append(",\"format\":");
                Quote(json, texture is Texture2D flat ? flat.format.ToString() : texture.graphicsFormat.ToString());
                json.Append(",\"memory\":").Append(Memory(texture).ToString(CultureInfo.InvariantCulture));
            }
            if (uses.TryGetValue(path, out var slots))
                json.Append(",\"used_as\":[").Append(string.Join(",", slots)).Append(']');
            return json.Append('}').ToString();
        }

        /// <summary>
        /// Returns the bytes of all mipmaps and layers in GPU memory. Without graphics Unity has none there to ask for.
        /// </summary>
        private static long Memory(Texture texture)
        {
            var format = texture.graphicsFormat;
            long block = GraphicsFormatUtility.GetBlockSize(format);
            int across = (int)GraphicsFormatUtility.GetBlockWidth(format), down = (int)GraphicsFormatUtility.GetBlockHeight(format);
            if (block == 0 || across == 0 || down == 0) return 0;
            var layers = 1;
            var depth = 1;
            if (texture.dimension == TextureDimension.Cube) layers = 6;
            if (texture is Texture2DArray array) layers = array.depth;
            if (texture is CubemapArray cubes) layers = 6 * cubes.cubemapCount;
            if (texture is Texture3D volume) depth = volume.depth;
            long total = 0;
            for (var mip = 0; mip < Math.Max(1, texture.mipmapCount); mip++)
            {
                int width = Math.Max(1, texture.width >> mip), height = Math.Max(1, texture.height >> mip);
                total += block * ((width + across - 1) / across) * ((height + down - 1) / down) * Math.Max(1, depth >> mip);
            }
            return total * layers;
        }

        /// <summary>
        /// Returns the slots that use each texture, as JSON: also of materials inside models and of binary ones, which
        /// no file tells.
        /// </summary>
        private static Dictionary<string, List<string>> Uses(List<string> errors)
        {
            var found = new Dictionary<string, List<string>>();
            foreach (var path in Paths("t:Material"))
            {
                try
                {
                    foreach (var asset in AssetDatabase.LoadAllAssetsAtPath(path))
                        if (asset is Material material && material.shader != null) Read(material, found);
                }
                catch (Exception error)
                {
                    Add(errors, path, error);
                }
            }
            EditorUtility.UnloadUnusedAssetsImmediate();
            return found;
        }

        private static void Read(Material material, Dictionary<string, List<string>> found)
        {
            var shader = material.shader;
            for (var each = 0; each < shader.GetPropertyCount(); each++)
            {
                if (shader.GetPropertyType(each) != ShaderPropertyType.Texture) continue;
                var slot = shader.GetPropertyName(each);
                var texture = material.GetTexture(slot);
                var path = texture == null ? "" : AssetDatabase.GetAssetPath(texture);
                if (string.IsNullOrEmpty(path)) continue;
                var json = new StringBuilder("{\"slot\":");
                Quote(json, slot);
                json.Append(",\"shader\":");
                Quote(json, shader.name);
                if ((shader.GetPropertyFlags(each) & ShaderPropertyFlags.Normal) != 0) json.Append(",\"kind\":\"normal\"");
                var use = json.Append('}').ToString();
                if (!found.TryGetValue(path, out var uses)) found[path] = uses = new List<string>();
                if (!uses.Contains(use)) uses.Add(use);
            }
        }

        private static void Add(List<string> errors, string path, Exception error)
        {
            if (errors.Count < MaxErrors) errors.Add(path + ": " + error.Message);
        }

        private static void Quote(StringBuilder json, string text)
        {
            json.Append('"');
            foreach (var each in text)
            {
                if (each == '"' || each == '\\') json.Append('\\').Append(each);
                // Lone surrogates would be no UTF-8.
                else if (each < ' ' || char.IsSurrogate(each)) json.Append("\\u").Append(((int)each).ToString("x4"));
                else json.Append(each);
            }
            json.Append('"');
        }
    }
}
