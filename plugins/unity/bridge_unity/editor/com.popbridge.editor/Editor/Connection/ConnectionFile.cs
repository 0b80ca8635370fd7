using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;

namespace PopBridge.Connection
{
    /// <summary>`connection.json`: where the daemon listens, and the token that only this user can read.</summary>
    public sealed class ConnectionFile
    {
        public Uri WebSocket { get; private set; }

        public Uri Http { get; private set; }

        public string Token { get; private set; }

        /// <summary>The SHA-256 of the daemon's certificate in hex; empty without TLS.</summary>
        public string Fingerprint { get; private set; }

        /// <summary>The public part of the token, before the dot.</summary>
        public string TokenId => Token.Substring(0, Math.Max(0, Token.IndexOf('.')));

        /// <summary>Reads the file; null if no daemon has written one that can be used.</summary>
        public static ConnectionFile Read()
        {
            try
            {
                var content = Json.Read(File.ReadAllText(Path.Combine(RuntimeFolder(), "connection.json")));
                if (!(content is Dictionary<string, object> map)) return null;
                return new ConnectionFile
                {
                    WebSocket = new Uri(Text(map, "ws")),
                    Http = new Uri(Text(map, "http")),
                    Token = Text(map, "token"),
                    Fingerprint = map.TryGetValue("fingerprint", out var pinned) && pinned is string text ? text : "",
                };
            }
            catch (Exception error) when (error is IOException || error is UnauthorizedAccessException
                || error is FormatException || error is KeyNotFoundException)
            {
                return null;
            }
        }

        /// <summary>
        /// Returns the command that starts the daemon, which `popbridge install` and `popbridge service` record; null
        /// if there is none that may be trusted. It is never taken from the project.
        /// </summary>
        public static string[] StartCommand()
        {
            try
            {
                var file = new FileInfo(Path.Combine(StartFolder(), "start.json"));
                if (!file.Exists || (file.Attributes & FileAttributes.ReparsePoint) != 0) return null;
                if (!(Json.Read(File.ReadAllText(file.FullName)) is Dictionary<string, object> map)) return null;
                if (!map.TryGetValue("command", out var listed) || !(listed is List<object> words)) return null;
                var command = words.ConvertAll(word => word as string).ToArray();
                var usable = command.Length > 0 && Array.TrueForAll(command, word => word != null);
                return usable && Path.IsPathRooted(command[0]) ? command : null;
            }
            catch (Exception error) when (error is IOException || error is UnauthorizedAccessException
                || error is FormatException)
            {
                return null;
            }
        }

        /// <summary>Returns the folder of `connection.json`: see "Finding the daemon" in the editor contract.</summary>
        public static string RuntimeFolder()
        {
            var home = Variable("POPBRIDGE_HOME");
            if (home.Length > 0) return home;
            var runtime = Variable("XDG_RUNTIME_DIR");
            var isXdg = !IsWindows && !RuntimeInformation.IsOSPlatform(OSPlatform.OSX);
            return isXdg && runtime.StartsWith("/", StringComparison.Ordinal)
                ? Path.Combine(runtime, "popbridge")
                : StartFolder();
        }

        private static bool IsWindows => Path.DirectorySeparatorChar == '\\';

        private static string StartFolder()
        {
            var home = Variable("POPBRIDGE_HOME");
            if (home.Length > 0) return home;
            if (IsWindows) return Path.Combine(Variable("LOCALAPPDATA"), "popbridge", "run");
            var data = RuntimeInformation.IsOSPlatform(OSPlatform.OSX)
                ? Path.Combine("Library", "Application Support")
                : Path.Combine(".local", "share");
            return Path.Combine(Variable("HOME"), data, "popbridge", "run");
        }

        private static string Variable(string name) => Environment.GetEnvironmentVariable(name) ?? "";

        private static string Text(Dictionary<string, object> map, string name) =>
            map[name] as string ?? throw new FormatException(name + " isn't text");
    }
}
