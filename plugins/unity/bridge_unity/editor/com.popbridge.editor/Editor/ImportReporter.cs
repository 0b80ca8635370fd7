using System;
using System.Collections.Generic;
using System.Globalization;
using PopBridge.Connection;
using PopBridge.Protocol;
using UnityEditor;

namespace PopBridge.Editor
{
    /// <summary>Reports imported textures to the daemon, all of one editor tick at once.</summary>
    internal sealed class ImportReporter
    {
        private const string PendingKey = "PopBridge.pending";
        private const string RecentKey = "PopBridge.recent";
        private const string ServerKey = "PopBridge.server";
        private const int FrameReserve = 512;

        /// <summary>Textures that are sent in one tick: more would hold up the editor.</summary>
        private const int AtOnce = 200;

        /// <summary>A daemon that has run for so long has read what was reported, seconds.</summary>
        private const double ReadS = 60.0;

        private readonly EditorSession session;
        private readonly Queue<string> pending = new Queue<string>();
        private readonly HashSet<string> known = new HashSet<string>();
        private readonly HashSet<string> ignored = new HashSet<string>();
        private readonly List<KeyValuePair<string, double>> recent = new List<KeyValuePair<string, double>>();
        private readonly List<object> described = new List<object>();
        private readonly List<string> describedPaths = new List<string>();
        private readonly MaterialUses uses;
        private long batch = 1;
        private int audited;
        private int task;

        internal ImportReporter(EditorSession session, MaterialUses uses)
        {
            this.session = session;
            this.uses = uses;
            foreach (var path in Stored(PendingKey)) Add(path);
            foreach (var path in Stored(RecentKey))
                recent.Add(new KeyValuePair<string, double>(path, EditorApplication.timeSinceStartup));
            session.Opened += OnOpened;
        }

        /// <summary>Reports an asset in one of the next ticks, if it is a texture.</summary>
        public void Add(string path)
        {
            if (!ignored.Contains(path) && known.Add(path)) pending.Enqueue(path);
        }

        /// <summary>Reports textures as if they had just been imported, as a background task that can be cancelled.</summary>
        public void Audit(List<string> paths)
        {
            foreach (var path in paths) Add(path);
            if (audited == 0)
            {
                task = Progress.Start(Texts.Say("PopBridge: checking textures"));
                Progress.RegisterCancelCallback(task, Cancel);
            }
            audited += paths.Count;
        }

        /// <summary>The next import of this asset is a command's own, whose reply reports it.</summary>
        public void Ignore(string path) => ignored.Add(path);

        public void IgnoreNothing() => ignored.Clear();

        /// <summary>Describes textures until `deadline`, and reports them, the last ones once all are described.</summary>
        public void Tick(double deadline)
        {
            if (pending.Count == 0 && described.Count == 0 && audited == 0) return;
            if (session.State != EditorSession.Status.Open) return;
            if (EditorApplication.isUpdating || EditorApplication.isCompiling) return;
            if (pending.Count > 0 && !uses.Refresh(deadline)) return;
            while (pending.Count > 0)
            {
                Describe(pending.Dequeue());
                if (described.Count > AtOnce || EditorApplication.timeSinceStartup >= deadline) break;
            }
            if (pending.Count == 0) Send(described.Count, false);
            // The end of the import needs a texture to be sent with.
            else if (described.Count > AtOnce) Send(AtOnce, true);
            if (audited > 0) ShowAudit();
        }

        private void ShowAudit()
        {
            var left = pending.Count + described.Count;
            if (left > 0)
            {
                Progress.Report(task, Math.Max(0, audited - left) / (float)audited);
                return;
            }
            Progress.Finish(task);
            PopBridgeWindow.Notify(Texts.Say(
                "Textures reported: {n}. New findings appear in the PopBridge window.",
                "n", audited.ToString(CultureInfo.InvariantCulture)));
            audited = 0;
        }

        /// <summary>Reports no more than what is described already.</summary>
        private bool Cancel()
        {
            pending.Clear();
            known.Clear();
            audited = 0;
            return true;
        }

        /// <summary>Keeps what isn't reported, or perhaps not read, over a domain reload.</summary>
        public void Suspend()
        {
            if (audited > 0) Progress.Remove(task);
            audited = 0;
            var waiting = new List<string>(describedPaths);
            waiting.AddRange(pending);
            SessionState.SetString(PendingKey, string.Join("\n", waiting));
            DropOld();
            SessionState.SetString(RecentKey, string.Join("\n", recent.ConvertAll(each => each.Key)));
        }

        private void OnOpened(Ready ready)
        {
            var server = session.Hello.Server.Instance;
            var before = SessionState.GetString(ServerKey, "");
            SessionState.SetString(ServerKey, server);
            if (before.Length == 0 || before == server) return;
            // A new daemon: the old one may not have read what was reported last.
            DropOld();
            foreach (var each in recent) Add(each.Key);
            recent.Clear();
        }

        private void Describe(string path)
        {
            known.Remove(path);
            var settings = TextureSettings.Of(path);
            if (settings == null) return;
            describedPaths.Add(path);
            var asset = new Dictionary<string, object>
            {
                ["path"] = path, ["file"] = path, ["type"] = "texture", ["options"] = settings.All(),
            };
            var slots = uses.Of(path);
            if (slots != null) asset["used_as"] = slots;
            described.Add(asset);
        }

        /// <summary>Sends the first `count` textures; `more` of the same import follow.</summary>
        private void Send(int count, bool more)
        {
            if (count == 0) return;
            var frames = Frames(described.GetRange(0, count));
            for (var each = 0; each < frames.Count; each++)
            {
                var data = new Dictionary<string, object>
                {
                    ["batch"] = batch, ["more"] = more || each < frames.Count - 1, ["assets"] = frames[each],
                };
                // Reported again, all of them, when the connection is back.
                if (!session.Report("asset.imported", data)) return;
            }
            if (!more) batch++;
            foreach (var path in describedPaths.GetRange(0, count))
                recent.Add(new KeyValuePair<string, double>(path, EditorApplication.timeSinceStartup));
            DropOld();
            described.RemoveRange(0, count);
            describedPaths.RemoveRange(0, count);
        }

        private static List<List<object>> Frames(List<object> assets)
        {
            var frames = new List<List<object>> { new List<object>() };
            var size = 0;
            foreach (var asset in assets)
            {
                var own = Msgpack.Pack(asset).Length;
                if (size > 0 && size + own > Wire.MaxFrame - FrameReserve)
                {
                    frames.Add(new List<object>());
                    size = 0;
                }
                size += own;
                frames[frames.Count - 1].Add(asset);
            }
            return frames;
        }

        private void DropOld()
        {
            var oldest = EditorApplication.timeSinceStartup - ReadS;
            recent.RemoveAll(each => each.Value < oldest);
        }

        private static string[] Stored(string key) =>
            SessionState.GetString(key, "").Split(new[] { '\n' }, StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>
    /// Hears of imports. Nothing else may be in this class: Unity would import every texture of a project again when a
    /// package with `OnPreprocessTexture` or `OnPostprocessTexture` comes or goes.
    /// </summary>
    internal sealed class ImportListener : AssetPostprocessor
    {
        private static void OnPostprocessAllAssets(
            string[] imported, string[] deleted, string[] moved, string[] movedFrom)
        {
            var reporter = EditorBridge.Reporter;
            if (reporter == null || !Settings.ChecksImports) return;
            foreach (var path in imported) reporter.Add(path);
        }
    }
}
