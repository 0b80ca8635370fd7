using System;
using System.Collections.Generic;
using UnityEditor;
using UnityEngine;
using UnityEngine.Rendering;

namespace PopBridge.Editor
{
    /// <summary>
    /// What the loaded materials use textures for: also those in models and packages, those stored as binary, and
    /// changes that aren't saved, which the daemon can't read in the project's files. Nothing is loaded for it.
    /// </summary>
    internal sealed class MaterialUses
    {
        /// <summary>More than a scene has; each costs up to 0.1 ms.</summary>
        private const int MaxMaterials = 2000;
        private const int MaxUses = 64;

        /// <summary>What was read for one import serves the next ones for so long, seconds.</summary>
        private const double FreshS = 10.0;

        /// <summary>
        /// Slots of Unity's own shaders with one meaning. Others use the same names, so that materials can switch, but
        /// may read anything from them.
        /// </summary>
        private static readonly Dictionary<string, string> Slots = new Dictionary<string, string>
        {
            ["_BaseMap"] = "albedo", ["_BaseColorMap"] = "albedo", ["_DetailAlbedoMap"] = "albedo",
            ["_BumpMap"] = "normal", ["_NormalMap"] = "normal", ["_DetailNormalMap"] = "normal",
            ["_ParallaxMap"] = "height", ["_HeightMap"] = "height", ["_OcclusionMap"] = "ao",
            ["_SpecGlossMap"] = "specular", ["_SpecularColorMap"] = "specular", ["_MaskMap"] = "packed",
            ["_EmissionMap"] = "emissive", ["_EmissiveColorMap"] = "emissive",
        };

        /// <summary>Surfaces of the built-in, the universal and the high definition pipeline.</summary>
        private static readonly HashSet<string> Surfaces = new HashSet<string>
        {
            "Standard", "Standard (Specular setup)", "Universal Render Pipeline/Lit", "Universal Render Pipeline/Complex Lit",
            "Universal Render Pipeline/Simple Lit", "HDRP/Lit", "HDRP/LitTessellation", "HDRP/LayeredLit",
        };

        private Dictionary<string, List<object>> known = new Dictionary<string, List<object>>();
        private Dictionary<string, List<object>> draft;
        private Material[] materials;
        private int next;
        private double freshUntil = double.MinValue;

        /// <summary>Returns a texture's uses as `asset.imported` has them; null if none is known.</summary>
        internal List<object> Of(string path) => known.TryGetValue(path, out var found) ? found : null;

        /// <summary>Reads materials until `deadline`. Returns whether all are read.</summary>
        internal bool Refresh(double deadline)
        {
            if (EditorApplication.timeSinceStartup < freshUntil) return true;
            if (materials == null)
            {
                materials = Resources.FindObjectsOfTypeAll<Material>();
                draft = new Dictionary<string, List<object>>();
                next = 0;
            }
            var end = Math.Min(materials.Length, MaxMaterials);
            while (next < end)
            {
                if (EditorApplication.timeSinceStartup >= deadline) return false;
                // One may be destroyed while others are read.
                if (materials[next] != null) Read(materials[next]);
                next++;
            }
            known = draft;
            draft = null;
            materials = null;
            freshUntil = EditorApplication.timeSinceStartup + FreshS;
            return true;
        }

        private void Read(Material material)
        {
            var shader = material.shader;
            if (shader == null) return;
            var isSurface = Surfaces.Contains(shader.name);
            for (var each = 0; each < shader.GetPropertyCount(); each++)
            {
                if (shader.GetPropertyType(each) != ShaderPropertyType.Texture) continue;
                var slot = shader.GetPropertyName(each);
                var texture = material.GetTexture(slot);
                var path = texture == null ? "" : AssetDatabase.GetAssetPath(texture);
                if (!path.StartsWith("Assets/", StringComparison.Ordinal)) continue;
                var use = new Dictionary<string, object> { ["slot"] = slot };
                if (isSurface && Slots.TryGetValue(slot, out var kind))
                {
                    use["kind"] = kind;
                }
                else if ((shader.GetPropertyFlags(each) & ShaderPropertyFlags.Normal) != 0)
                {
                    use["kind"] = "normal";
                    use["basis"] = "declaration";
                }
                Add(path, use);
            }
        }

        private void Add(string path, Dictionary<string, object> use)
        {
            if (!draft.TryGetValue(path, out var uses)) draft[path] = uses = new List<object>();
            if (uses.Count < MaxUses && !uses.Exists(each => IsSame((Dictionary<string, object>)each, use))) uses.Add(use);
        }

        private static bool IsSame(Dictionary<string, object> one, Dictionary<string, object> other)
        {
            if (one.Count != other.Count) return false;
            foreach (var pair in one)
                if (!other.TryGetValue(pair.Key, out var value) || !Equals(value, pair.Value)) return false;
            return true;
        }
    }
}
