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
        private readonly Dictionary<string, List<Action>> waiting = new Dictionary<string, List<Action>>();
        private readonly List<Texture2D> unnamed = new List<Texture2D>();

        /// <summary>Returns a picture, or null and calls `arrived` once it is there.</summary>
        public Texture2D Get(string sha256, Action arrived)
        {
            if (string.IsNullOrEmpty(sha256)) return null;
            if (loaded.TryGetValue(sha256, out var found)) return found;
            if (waiting.TryGetValue(sha256, out var others))
            {
                // A list asks for the same picture each time that it is shown.
                if (!others.Contains(arrived)) others.Add(arrived);
                return null;
            }
            var session = EditorBridge.Session;
            if (session == null || session.State != EditorSession.Status.Open) return null;
            waiting[sha256] = new List<Action> { arrived };
            EditorBridge.Blobs.Fetch(session.Http, session.Fingerprint, session.Welcome.HttpToken, sha256,
                content => Load(sha256, content));
            return null;
        }

        /// <summary>Frees the pictures' memory.</summary>
        public void Clear()
        {
            foreach (var each in loaded.Values) Object.DestroyImmediate(each);
            foreach (var each in unnamed) Object.DestroyImmediate(each);
            loaded.Clear();
            unnamed.Clear();
            waiting.Clear();
        }

        /// <summary>Returns a picture of these bytes, a PNG or JPEG; null if they are none.</summary>
        public Texture2D Load(byte[] content)
        {
            var picture = Decoded(content);
            if (picture != null) unnamed.Add(picture);
            return picture;
        }

        private void Load(string sha256, byte[] content)
        {
            // The window is closed.
            if (!waiting.TryGetValue(sha256, out var arrived)) return;
            waiting.Remove(sha256);
            var picture = content == null ? null : Decoded(content);
            if (picture == null) return;
            loaded[sha256] = picture;
            foreach (var each in arrived) each();
        }

        private static Texture2D Decoded(byte[] content)
        {
            // A project may have switched this module of Unity off.
#if POPBRIDGE_IMAGES
            var picture = new Texture2D(2, 2) { hideFlags = HideFlags.HideAndDontSave };
            if (ImageConversion.LoadImage(picture, content)) return picture;
            Object.DestroyImmediate(picture);
#endif
            return null;
        }
    }
}
