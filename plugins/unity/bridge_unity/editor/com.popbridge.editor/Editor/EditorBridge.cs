using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Security.Cryptography;
using System.Text;
using PopBridge.Connection;
using UnityEditor;
using UnityEngine;
using Debug = UnityEngine.Debug;

namespace PopBridge.Editor
{
    /// <summary>The session of this editor, from its start or a domain reload to the next one.</summary>
    [InitializeOnLoad]
    public static class EditorBridge
    {
        private const string StatePath = "Library/PopBridge.state";
        private const string InstanceKey = "PopBridge.instance";
        private const int BudgetMs = 4;

        private static TextureCommands commands;
        private static BackgroundTasks tasks;
        private static string lastFailure = "";
        private static bool hasTicked;

        static EditorBridge()
        {
            if (AssetDatabase.IsAssetImportWorkerProcess() || Application.isBatchMode) return;
            Session = new EditorSession(Identity(), new StateFile(Path.GetFullPath(StatePath)));
            Blobs = new BlobClient();
            Reporter = new ImportReporter(Session, new MaterialUses());
            Jobs = new WorkloadJobs(Session, Blobs);
            commands = new TextureCommands(Session, Reporter);
            Popups = new PopupList(Session);
            Popups.Shown += PopBridgeWindow.Announce;
            Popups.Changed += OnPopupsChanged;
            tasks = new BackgroundTasks(Popups);
            Session.CommandReceived += commands.Enqueue;
            Session.CommandCancelled += commands.Cancel;
            EditorApplication.update += Tick;
            EditorApplication.quitting += Suspend;
            AssemblyReloadEvents.beforeAssemblyReload += Suspend;
        }

        /// <summary>Null in batch mode and in import workers, as are the others.</summary>
        public static EditorSession Session { get; }

        internal static BlobClient Blobs { get; }

        internal static ImportReporter Reporter { get; }

        internal static PopupList Popups { get; }

        internal static WorkloadJobs Jobs { get; }

        /// <summary>Popups have arrived, changed or gone: see `Findings`.</summary>
        public static event Action FindingsChanged;

        /// <summary>Returns the open findings: textures below the project's root, and the titles of what is wrong with each.</summary>
        public static Dictionary<string, List<string>> Findings() => Popups?.Findings() ?? new Dictionary<string, List<string>>();

        /// <summary>Reports textures as if they had just been imported.</summary>
        public static void Check(IEnumerable<string> paths) => Reporter?.Audit(new List<string>(paths));

        /// <summary>Starts the daemon. Returns what went wrong, for people; empty if nothing did.</summary>
        internal static string StartDaemon()
        {
            var command = ConnectionFile.StartCommand();
            if (command == null || command.Length == 0)
                return Texts.Say("PopBridge can't be started from here. Run “popbridge serve” in a terminal.");
            var arguments = new StringBuilder();
            for (var each = 1; each < command.Length; each++) arguments.Append(Quoted(command[each])).Append(' ');
            try
            {
                Process.Start(new ProcessStartInfo(command[0], arguments.ToString())
                {
                    UseShellExecute = false, CreateNoWindow = true,
                })?.Dispose();
            }
            catch (Exception error) when (error is System.ComponentModel.Win32Exception || error is InvalidOperationException)
            {
                return Texts.Say("{program} can't be started. Install PopBridge again.", "program", command[0]);
            }
            Session.Hurry();
            return "";
        }

        /// <summary>Quotes an argument as CommandLineToArgvW reads it; Mono reads it alike.</summary>
        private static string Quoted(string argument) =>
            "\"" + argument.Replace("\\\"", "\\\\\"").Replace("\"", "\\\"")
            + (argument.EndsWith("\\", StringComparison.Ordinal) ? "\\" : "") + "\"";

        private static void Tick()
        {
            // Unity calls the other handlers of `update` only if this one doesn't throw.
            try
            {
                // Popups from before a domain reload; while Unity loads code, it answers no questions about assets.
                if (!hasTicked) ProjectBadges.Refresh();
                hasTicked = true;
                var deadline = EditorApplication.timeSinceStartup + BudgetMs / 1000.0;
                Session.Tick(BudgetMs);
                Blobs.Deliver();
                Popups.Tick();
                commands.Tick();
                Jobs.Tick();
                Reporter.Tick(deadline);
            }
            catch (Exception error)
            {
                // The same failure at each tick would bury the console.
                if (error.Message == lastFailure) return;
                lastFailure = error.Message;
                Debug.LogException(error);
            }
        }

        private static void OnPopupsChanged(PopupList.OpenPopup changed)
        {
            // Its progress has moved.
            if (changed?.Progress != null && changed.IsAnswered) return;
            ProjectBadges.Refresh();
            FindingsChanged?.Invoke();
        }

        private static void Suspend()
        {
            EditorApplication.update -= Tick;
            Reporter.Suspend();
            Jobs.Suspend();
            tasks.Suspend();
            ProjectBadges.Suspend();
            Popups.Suspend();
            Blobs.Cancel();
            Session.Suspend();
        }

        private static EditorIdentity Identity()
        {
            var root = Path.GetDirectoryName(Application.dataPath).Replace('\\', '/');
            return new EditorIdentity
            {
                Version = PackageVersion(), EngineVersion = Application.unityVersion, ProjectId = Sha256(root),
                ProjectName = Application.productName, ProjectRoot = root, Instance = Instance(), Locale = Texts.Locale,
            };
        }

        internal static string PackageVersion() =>
            UnityEditor.PackageManager.PackageInfo.FindForAssembly(typeof(EditorBridge).Assembly)?.version ?? "0";

        /// <summary>Returns the id of this run of the editor; unlike files, other editors don't see it.</summary>
        private static string Instance()
        {
            var instance = SessionState.GetString(InstanceKey, "");
            if (instance.Length > 0) return instance;
            instance = Guid.NewGuid().ToString("N");
            SessionState.SetString(InstanceKey, instance);
            return instance;
        }

        private static string Sha256(string text)
        {
            using (var hash = SHA256.Create())
            {
                var hex = new StringBuilder();
                foreach (var each in hash.ComputeHash(Encoding.UTF8.GetBytes(text))) hex.Append(each.ToString("x2"));
                return hex.ToString();
            }
        }
    }
}
