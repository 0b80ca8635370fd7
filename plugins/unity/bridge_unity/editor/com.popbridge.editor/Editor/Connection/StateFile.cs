using System;
using System.Collections.Generic;
using System.IO;
using PopBridge.Protocol;

namespace PopBridge.Connection
{
    /// <summary>
    /// What must survive a domain reload and a crash of the editor: the session, answers that aren't confirmed,
    /// replies to commands, and settings before a command. The file is in `Library`, which isn't committed.
    /// </summary>
    public sealed class StateFile
    {
        private const int MaxReplies = 64;

        private readonly string path;
        private readonly Dictionary<long, object> answers = new Dictionary<long, object>();
        private readonly List<Dictionary<string, object>> replies = new List<Dictionary<string, object>>();
        private readonly Dictionary<long, object> before = new Dictionary<long, object>();

        /// <summary>Reads the file; a missing or damaged one is an empty state.</summary>
        public StateFile(string path)
        {
            this.path = path;
            try
            {
                var data = File.ReadAllBytes(path);
                if (Msgpack.Unpack(data, data.Length) is Dictionary<string, object> map) Load(map);
            }
            catch (Exception error) when (error is IOException || error is UnauthorizedAccessException
                || error is ProtocolException || error is InvalidCastException || error is FormatException)
            {
                Forget();
            }
        }

        public string Session { get; set; } = "";

        public string ResumeToken { get; set; } = "";

        /// <summary>The last message of the daemon that was handled.</summary>
        public long LastSeq { get; set; }

        /// <summary>Whether something changed since the last `Save`.</summary>
        public bool IsChanged { get; private set; }

        public IEnumerable<object> Answers => answers.Values;

        /// <summary>The session isn't known any more.</summary>
        public void Forget()
        {
            Session = ResumeToken = "";
            LastSeq = 0;
            answers.Clear();
            replies.Clear();
            before.Clear();
            IsChanged = true;
        }

        /// <summary>Forgets answers and replies that the daemon refuses; its popups are shown again.</summary>
        public void ForgetUnsent()
        {
            answers.Clear();
            replies.Clear();
            IsChanged = true;
        }

        public bool HasAnswer(long popup) => answers.ContainsKey(popup);

        public void StoreAnswer(Answer answer)
        {
            answers[answer.Id] = answer.ToMap();
            IsChanged = true;
        }

        public void DeleteAnswer(long popup) => IsChanged |= answers.Remove(popup);

        /// <summary>Stores the reply to command `id`: if it comes again, it isn't carried out again.</summary>
        public void StoreReply(long id, Dictionary<string, object> reply, long unixTime)
        {
            replies.Add(new Dictionary<string, object> { ["id"] = id, ["at"] = unixTime, ["message"] = reply });
            if (replies.Count > MaxReplies) replies.RemoveAt(0);
            before.Remove(id);
            Save();
        }

        /// <summary>Returns the stored reply to a command; null if there is none.</summary>
        public Dictionary<string, object> ReplyTo(long id)
        {
            var found = replies.Find(each => (long)each["id"] == id);
            return found == null ? null : (Dictionary<string, object>)found["message"];
        }

        public IEnumerable<Dictionary<string, object>> RepliesSince(long unixTime)
        {
            foreach (var each in replies)
                if ((long)each["at"] >= unixTime) yield return (Dictionary<string, object>)each["message"];
        }

        /// <summary>Stores the settings before command `id` changes any, by path.</summary>
        public void StoreBefore(long id, Dictionary<string, object> settings)
        {
            before[id] = settings;
            Save();
        }

        /// <summary>Returns the settings before a command that was interrupted; null if it didn't begin.</summary>
        public Dictionary<string, object> Before(long id) =>
            before.TryGetValue(id, out var found) ? (Dictionary<string, object>)found : null;

        /// <summary>Writes the file. Throws IOException and UnauthorizedAccessException.</summary>
        public void Save()
        {
            IsChanged = false;
            var map = new Dictionary<string, object>
            {
                ["session"] = Session, ["resume_token"] = ResumeToken, ["last_seq"] = LastSeq,
                ["answers"] = Pairs(answers), ["replies"] = replies, ["before"] = Pairs(before),
            };
            var draft = path + ".tmp";
            Directory.CreateDirectory(Path.GetDirectoryName(path));
            File.WriteAllBytes(draft, Msgpack.Pack(map));
            if (File.Exists(path)) File.Replace(draft, path, null);
            else File.Move(draft, path);
        }

        private void Load(Dictionary<string, object> map)
        {
            Session = (string)map["session"];
            ResumeToken = (string)map["resume_token"];
            LastSeq = (long)map["last_seq"];
            Load(map["answers"], answers);
            Load(map["before"], before);
            foreach (var each in (List<object>)map["replies"]) replies.Add((Dictionary<string, object>)each);
        }

        private static void Load(object pairs, Dictionary<long, object> target)
        {
            foreach (var each in (List<object>)pairs)
            {
                var pair = (List<object>)each;
                target[(long)pair[0]] = pair[1];
            }
        }

        private static List<object> Pairs(Dictionary<long, object> map)
        {
            var pairs = new List<object>(map.Count);
            foreach (var each in map) pairs.Add(new List<object> { each.Key, each.Value });
            return pairs;
        }
    }
}
