using System;
using System.Collections.Generic;
using System.IO;
using PopBridge.Connection;
using PopBridge.Protocol;
using UnityEditor;
using UnityEngine;

namespace PopBridge.Editor
{
    /// <summary>
    /// Work on textures that gives new files: sent a few at a time, shown as one background task that can be cancelled,
    /// continued after a domain reload. Each result is a new file beside its texture; none is ever replaced.
    /// </summary>
    internal sealed class WorkloadJobs
    {
        internal const string NormalMap = "normal_map";
        internal const string Compress = "compress";

        private const string Key = "PopBridge.jobs";

        /// <summary>Requests at a time; the daemon takes 64 of a session.</summary>
        private const int AtOnce = 8;

        /// <summary>Direct3D's block formats, and so Unity, want sides that are multiples of it.</summary>
        private const int Block = 4;

        private readonly EditorSession session;
        private readonly BlobClient blobs;
        private readonly Queue<Job> queue = new Queue<Job>();
        private readonly Dictionary<long, Job> open = new Dictionary<long, Job>();
        private readonly List<Job> done = new List<Job>();
        private readonly List<string> failures = new List<string>();
        private int total;
        private int written;
        private int task;
        private double reported;
        private bool isShown;

        internal WorkloadJobs(EditorSession session, BlobClient blobs)
        {
            this.session = session;
            this.blobs = blobs;
            session.Opened += OnOpened;
            session.RequestAnswered += OnAnswered;
            session.RequestProgressed += OnProgressed;
            Restore();
        }

        /// <summary>One texture's work.</summary>
        private sealed class Job
        {
            internal string Kind;
            internal string Path;

            /// <summary>The daemon does the work of one key once.</summary>
            internal string Key;
            internal double Fraction;

            /// <summary>The new file's bytes; null until they are here.</summary>
            internal byte[] Content;
        }

        /// <summary>How many aren't done.</summary>
        internal int Count => queue.Count + open.Count + done.Count;

        /// <summary>Starts work on textures of the folder `Assets`.</summary>
        internal void Add(string kind, List<string> textures)
        {
            foreach (var path in textures)
            {
                var problem = Problem(kind, path);
                if (problem.Length > 0)
                {
                    failures.Add(path + ": " + problem);
                    continue;
                }
                queue.Enqueue(new Job { Kind = kind, Path = path, Key = "unity-" + Guid.NewGuid().ToString("N") });
                total++;
            }
            if (Count == 0) Finish();
        }

        /// <summary>Sends what can be sent, and writes what has arrived.</summary>
        internal void Tick()
        {
            if (total == 0) return;
            if (session.State == EditorSession.Status.Open)
                while (queue.Count > 0 && open.Count < AtOnce && Send(queue.Peek())) queue.Dequeue();
            if (done.Count > 0 && !EditorApplication.isUpdating && !EditorApplication.isCompiling) Write();
            Show();
            if (Count == 0) Finish();
        }

        /// <summary>Ends all work that isn't done. Returns true, as Unity's callback of a task does.</summary>
        internal bool Cancel()
        {
            foreach (var id in open.Keys) session.CancelRequest(id);
            queue.Clear();
            open.Clear();
            done.Clear();
            total = written = 0;
            failures.Clear();
            isShown = false;
            return true;
        }

        /// <summary>Keeps the work over a domain reload, which ends the background task.</summary>
        internal void Suspend()
        {
            var left = new List<object>();
            foreach (var each in done) left.Add(Map(each));
            foreach (var each in open.Values) left.Add(Map(each));
            foreach (var each in queue) left.Add(Map(each));
            SessionState.SetString(Key, left.Count == 0 ? "" : Convert.ToBase64String(Msgpack.Pack(left)));
            if (isShown) Progress.Remove(task);
            isShown = false;
        }

        private static Dictionary<string, object> Map(Job job) => new Dictionary<string, object>
        {
            ["kind"] = job.Kind, ["path"] = job.Path, ["key"] = job.Key,
        };

        private void Restore()
        {
            var stored = SessionState.GetString(Key, "");
            if (stored.Length == 0) return;
            var data = Convert.FromBase64String(stored);
            foreach (Dictionary<string, object> map in (List<object>)Msgpack.Unpack(data, data.Length))
                queue.Enqueue(new Job { Kind = (string)map["kind"], Path = (string)map["path"], Key = (string)map["key"] });
            total = queue.Count;
        }

        /// <summary>What was open goes out again, by the keys that make the daemon do it once.</summary>
        private void OnOpened(Ready ready)
        {
            if (open.Count == 0) return;
            foreach (var each in open.Values) queue.Enqueue(each);
            open.Clear();
        }

        /// <summary>Returns why a texture can't be worked on, for people; empty if it can.</summary>
        private static string Problem(string kind, string path)
        {
            if (!path.StartsWith("Assets/", StringComparison.Ordinal) || !File.Exists(path))
                return Texts.Say("This file isn't in the folder Assets.");
            if (!(AssetImporter.GetAtPath(path) is TextureImporter importer))
                return Texts.Say("This file isn't an imported texture of the project.");
            if (kind != Compress) return "";
            importer.GetSourceTextureWidthAndHeight(out var width, out var height);
            return width % Block != 0 || height % Block != 0
                ? Texts.Say("{width}×{height}: both must be multiples of 4.", "width", width.ToString(), "height", height.ToString())
                : "";
        }

        private bool Send(Job job)
        {
            var request = new Request
            {
                Key = job.Key, Inputs = new List<InputRef> { new InputRef { Name = Path.GetFileName(job.Path), Path = job.Path } },
            };
            if (job.Kind == NormalMap)
            {
                request.Workload = "image.normal_from_height";
                request.Params["format"] = "png";
            }
            else
            {
                request.Workload = "image.pipeline";
                request.Params["steps"] = Steps(job.Path);
            }
            if (!session.Request(request)) return false;
            open[request.Id] = job;
            return true;
        }

        /// <summary>Returns the steps to a DDS file, with mipmaps if the texture has them.</summary>
        private static List<object> Steps(string path)
        {
            var importer = AssetImporter.GetAtPath(path) as TextureImporter;
            var kind = importer == null ? "auto"
                : (int)importer.textureType == 1 ? "normal"
                : importer.sRGBTexture ? "color"
                : "data";
            var steps = new List<object>();
            if (importer == null || importer.mipmapEnabled) steps.Add(Step("image.mipmaps", new Dictionary<string, object>()));
            steps.Add(Step("image.compress", new Dictionary<string, object> { ["container"] = "dds", ["kind"] = kind }));
            return steps;
        }

        private static Dictionary<string, object> Step(string workload, Dictionary<string, object> parameters) =>
            new Dictionary<string, object> { ["workload"] = workload, ["params"] = parameters };

        private void OnProgressed(ProgressMessage progress)
        {
            if (open.TryGetValue(progress.Id, out var job)) job.Fraction = progress.Fraction;
        }

        private void OnAnswered(long id, Message answer)
        {
            if (!open.TryGetValue(id, out var job)) return;
            open.Remove(id);
            var output = answer is Result result && result.Outputs.Count > 0 ? result.Outputs[0] : null;
            if (output == null)
                Fail(job, (answer as ErrorMessage)?.Message ?? Texts.Say("The result is empty."));
            else if (output.Data != null)
                Arrived(job, output.Data);
            else
                Fetch(id, job, output.Blob);
        }

        private void Fetch(long id, Job job, string blob)
        {
            // It isn't done before its file is here.
            open[id] = job;
            blobs.Fetch(session.Http, session.Fingerprint, session.Welcome.HttpToken, blob, content =>
            {
                // It was cancelled, or is asked for again.
                if (!open.Remove(id)) return;
                if (content == null && session.State != EditorSession.Status.Open) queue.Enqueue(job);
                else if (content == null) Fail(job, Texts.Say("The result can't be fetched. Try again."));
                else Arrived(job, content);
            });
        }

        private void Arrived(Job job, byte[] content)
        {
            job.Content = content;
            done.Add(job);
        }

        private void Fail(Job job, string reason) => failures.Add(job.Path + ": " + reason);

        /// <summary>Writes the new files and imports them, all at once.</summary>
        private void Write()
        {
            var normals = new List<string>();
            var last = "";
            AssetDatabase.StartAssetEditing();
            try
            {
                foreach (var each in done)
                {
                    try
                    {
                        last = Write(each);
                    }
                    catch (Exception error) when (error is IOException || error is UnauthorizedAccessException)
                    {
                        Fail(each, error.Message);
                        continue;
                    }
                    written++;
                    if (each.Kind == NormalMap) normals.Add(last);
                }
            }
            finally
            {
                AssetDatabase.StopAssetEditing();
            }
            done.Clear();
            Mark(normals);
            if (last.Length > 0) EditorGUIUtility.PingObject(AssetDatabase.LoadMainAssetAtPath(last));
        }

        private static string Write(Job job)
        {
            var folder = Path.GetDirectoryName(job.Path).Replace('\\', '/');
            var name = Path.GetFileNameWithoutExtension(job.Path);
            var file = AssetDatabase.GenerateUniqueAssetPath(
                folder + "/" + name + (job.Kind == NormalMap ? "_normal.png" : ".dds"));
            // Never over a file that Unity doesn't know.
            using (var stream = new FileStream(file, FileMode.CreateNew, FileAccess.Write))
                stream.Write(job.Content, 0, job.Content.Length);
            AssetDatabase.ImportAsset(file);
            return file;
        }

        /// <summary>Imports new normal maps as such.</summary>
        private static void Mark(List<string> files)
        {
            if (files.Count == 0) return;
            AssetDatabase.StartAssetEditing();
            try
            {
                foreach (var file in files)
                {
                    var settings = TextureSettings.Of(file);
                    if (settings == null || !settings.CanBe("textureType", "NormalMap")) continue;
                    settings.Set("textureType", "NormalMap");
                    settings.Apply();
                }
            }
            finally
            {
                AssetDatabase.StopAssetEditing();
            }
        }

        private void Show()
        {
            if (!isShown)
            {
                task = Progress.Start(Texts.Say("PopBridge: working on textures"));
                Progress.RegisterCancelCallback(task, Cancel);
                isShown = true;
                reported = -1;
            }
            var fraction = (double)(total - Count);
            foreach (var each in open.Values) fraction += each.Fraction;
            if (fraction == reported) return;
            reported = fraction;
            Progress.Report(task, (float)(fraction / total), (total - Count) + " / " + total);
        }

        private void Finish()
        {
            if (isShown) Progress.Finish(task, failures.Count == 0 ? Progress.Status.Succeeded : Progress.Status.Failed);
            isShown = false;
            foreach (var each in failures) Debug.LogWarning("PopBridge: " + each);
            PopBridgeWindow.Notify(failures.Count == 0
                ? Texts.Say("Files created: {n}", "n", written.ToString())
                : Texts.Say("Files created: {n}. Failed: {failed} (see the Console).",
                    "n", written.ToString(), "failed", failures.Count.ToString()));
            failures.Clear();
            total = written = 0;
        }
    }
}
