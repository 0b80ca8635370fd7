using System;
using System.Collections.Generic;
using PopBridge.Connection;
using UnityEngine;
using Object = UnityEngine.Object;

namespace PopBridge.Editor
{
    /// <summary>The pictures of popups, by the SHA-256 of their blobs; each is fetched once.</summary>
    internal sealed class Pictures
    {
        private readonly Dictionary<string, Texture2D> loaded = new Dictionary<string, Texture2D>();
        private readonly Dictionary<string, Action> waiting = new Dictionary<string, Action>();

        /// <summary>Returns a picture, or null and calls `arrived` once it is there.</summary>
        public Texture2D Get(string sha256, Action arrived)
        {
            if (string.IsNullOrEmpty(sha256)) return null;
            if (loaded.TryGetValue(sha256, out var found)) return found;
            if (waiting.ContainsKey(sha256))
            {
                waiting[sha256] += arrived;
                return null;
            }
            var session = EditorBridge.Session;
            if (session == null || session.State != EditorSession.Status.Open) return null;
            waiting[sha256] = arrived;
            EditorBridge.Blobs.Fetch(session.Http, session.Fingerprint, session.Welcome.HttpToken, sha256,
                content => Load(sha256, content));
            return null;
        }

        /// <summary>Frees the pictures' memory.</summary>
        public void Clear()
        {
            foreach (var each in loaded.Values) Object.DestroyImmediate(each);
            loaded.Clear();
            waiting.Clear();
        }

        private void Load(string sha256, byte[] content)
        {
            // The window is closed.
            if (!waiting.TryGetValue(sha256, out var arrived)) return;
            waiting.Remove(sha256);
            if (content == null) return;
            var picture = new Texture2D(2, 2) { hideFlags = HideFlags.HideAndDontSave };
            if (!ImageConversion.LoadImage(picture, content))
            {
                Object.DestroyImmediate(picture);
                return;
            }
            loaded[sha256] = picture;
            arrived();
        }
    }
}
