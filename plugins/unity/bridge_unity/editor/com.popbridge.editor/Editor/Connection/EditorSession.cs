using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using PopBridge.Protocol;

namespace PopBridge.Connection
{
    /// <summary>What an editor tells the daemon about itself.</summary>
    public sealed class EditorIdentity
    {
        public string Version = "";
        public string EngineVersion = "";
        public string ProjectId = "";
        public string ProjectName = "";
        public string ProjectRoot = "";

        /// <summary>New at each start of the editor; a domain reload keeps it.</summary>
        public string Instance = "";

        /// <summary>BCP 47.</summary>
        public string Locale = "en";
    }

    /// <summary>
    /// One session over many connections: finds the daemon, checks that it knows the token, resumes, acknowledges, and
    /// replies to each command once. `Tick` does all its work on the caller's thread.
    /// </summary>
    public sealed class EditorSession
    {
        public enum Status { Searching, Connecting, Open, Retrying }

        /// <summary>Why the daemon can't be used.</summary>
        public enum Trouble
        {
            None,

            /// <summary>It doesn't answer in time.</summary>
            Silent,

            /// <summary>It can't prove that it knows the token.</summary>
            Outdated,

            /// <summary>Another program has its address; it has learnt nothing.</summary>
            Stranger,

            /// <summary>It refuses the connection; `Reason` has its words.</summary>
            Refused,
        }

        private const int FirstBackoffMs = 250;
        private const int MaxBackoffMs = 8000;
        private const int HandshakeMs = 15000;
        private const int AckDelayMs = 50;

        private readonly EditorIdentity identity;
        private readonly StateFile state;
        private readonly Stopwatch clock = Stopwatch.StartNew();
        private readonly Random jitter = new Random();
        private readonly HashSet<long> inProgress = new HashSet<long>();
        private readonly Dictionary<long, Action<Message>> questions = new Dictionary<long, Action<Message>>();
        private WebSocketClient socket;
        private ConnectionFile file;
        private string nonce = "";
        private int backoffMs = FirstBackoffMs;
        private long retryAt;
        private long openBy;
        private long received;
        private long acknowledged;
        private long ackDue;
        // Other than those of requests that were open before a domain reload: they may still be answered.
        private long lastRequest = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        private long lostAt;

        public EditorSession(EditorIdentity identity, StateFile state)
        {
            this.identity = identity;
            this.state = state;
            received = state.LastSeq;
        }

        /// <summary>The session is open.</summary>
        public event Action<Ready> Opened;

        /// <summary>The connection is lost; the session isn't.</summary>
        public event Action Lost;

        /// <summary>The daemon doesn't know the session any more: its popups are void.</summary>
        public event Action Forgotten;

        public event Action<Popup> PopupShown;

        public event Action<PopupClose> PopupClosed;

        public event Action<PopupProgress> PopupProgressed;

        /// <summary>A command to carry out, once; `Reply` answers it.</summary>
        public event Action<Command> CommandReceived;

        public event Action<long> CommandCancelled;

        /// <summary>A request is answered that no `Ask` waits for: its id, and a `Result` or an `Error`.</summary>
        public event Action<long, Message> RequestAnswered;

        public event Action<ProgressMessage> RequestProgressed;

        public event Action StatusChanged;

        public Status State { get; private set; }

        /// <summary>None if the daemon can be used, or if none runs.</summary>
        public Trouble Problem { get; private set; }

        /// <summary>The daemon's own words on the problem; may be empty.</summary>
        public string Reason { get; private set; } = "";

        /// <summary>The daemon's first message in the open session.</summary>
        public Hello Hello { get; private set; }

        /// <summary>The daemon's answer to `identify` in the open session.</summary>
        public Ready Welcome { get; private set; }

        /// <summary>The daemon's address for blobs.</summary>
        public Uri Http => file.Http;

        public string Fingerprint => file.Fingerprint;

        /// <summary>Works for about `budgetMs` milliseconds at most. Call it often; without news it costs nothing.</summary>
        public void Tick(int budgetMs)
        {
            var now = clock.ElapsedMilliseconds;
            if (socket == null)
            {
                if (now >= retryAt) Connect(now);
                return;
            }
            while (socket != null && socket.TryReceive(out var frame))
            {
                Handle(frame);
                if (clock.ElapsedMilliseconds - now >= budgetMs) break;
            }
            if (socket == null) return;
            if (State == Status.Open && Handled() > acknowledged && now >= ackDue) Acknowledge();
            if (state.IsChanged) Save();
            if (socket.State == WebSocketClient.Status.Closed) End(Ended(out var reason), reason);
            else if (State != Status.Open && now > openBy) End(Trouble.Silent);
        }

        /// <summary>Looks for the daemon at once: it is being started.</summary>
        public void Hurry()
        {
            backoffMs = FirstBackoffMs;
            retryAt = 0;
        }

        /// <summary>Closes the connection before a domain reload or the editor's end. The session stays.</summary>
        public void Suspend()
        {
            Save();
            socket?.Close(1001, "the editor reloads its code");
            socket = null;
            SetState(Status.Searching);
        }

        /// <summary>Sends an answer, now and after each reconnect until `popup_close` confirms it.</summary>
        public void Answer(Answer answer)
        {
            state.StoreAnswer(answer);
            Save();
            Send(answer);
        }

        /// <summary>Replies to a command with a `Result` or an `Error`.</summary>
        public void Reply(Command command, Message reply)
        {
            var map = reply.ToMap();
            state.StoreReply(command.Id, map, Now());
            if (State == Status.Open) socket.Send(Msgpack.Pack(map));
            Finish(command.Seq);
        }

        /// <summary>Tells the daemon of an event; false without a connection.</summary>
        public bool Report(string name, Dictionary<string, object> data) =>
            Send(new EventMessage { Name = name, Data = data });

        /// <summary>
        /// Sends a request. `answered` gets a `Result` or an `Error`, or null if the connection is lost before.
        /// </summary>
        public void Ask(string workload, Dictionary<string, object> parameters, Action<Message> answered)
        {
            var request = new Request { Workload = workload, Params = parameters, Priority = "interactive" };
            if (Request(request)) questions[request.Id] = answered;
            else answered(null);
        }

        /// <summary>
        /// Gives a request its id and sends it; false without a connection. `RequestAnswered` tells its answer. One with
        /// a key may be sent again after the connection is lost: the work isn't done twice.
        /// </summary>
        public bool Request(Request request)
        {
            request.Id = ++lastRequest;
            return Send(request);
        }

        /// <summary>Cancels a request, which is then answered by an error.</summary>
        public void CancelRequest(long id) => Send(new Cancel { Id = id });

        /// <summary>Returns the settings before a command that a crash interrupted; null if there are none.</summary>
        public Dictionary<string, object> Before(Command command) => state.Before(command.Id);

        public void StoreBefore(Command command, Dictionary<string, object> settings) =>
            state.StoreBefore(command.Id, settings);

        private void Connect(long now)
        {
            file = ConnectionFile.Read();
            if (file == null)
            {
                SetProblem(Trouble.None, "");
                Wait(Status.Searching);
                return;
            }
            nonce = Proof.Nonce();
            var query = "?token=" + Uri.EscapeDataString(file.TokenId) + "&nonce=" + nonce;
            socket = new WebSocketClient(
                new Uri(file.WebSocket.AbsoluteUri + query), Wire.Subprotocol, file.Fingerprint, Wire.MaxFrame);
            openBy = now + HandshakeMs;
            SetState(Status.Connecting);
        }

        private void Handle(byte[] frame)
        {
            Message message;
            try
            {
                message = Messages.Decode(frame);
            }
            catch (ProtocolException error)
            {
                // A newer daemon may send what this package doesn't know.
                Trace.TraceWarning("PopBridge: ignored a message of the daemon: " + error.Message);
                return;
            }
            switch (message)
            {
                case Hello hello: OnHello(hello); break;
                case Ready ready: OnReady(ready); break;
                default:
                    if (State == Status.Open) Receive(message, Seq(message));
                    break;
            }
        }

        private void OnHello(Hello hello)
        {
            var wanted = Proof.OfServer(file.Token, file.TokenId, nonce, hello.Auth.Nonce, file.Fingerprint);
            if (hello.Auth.Proof == null)
            {
                End(Trouble.Outdated);
                return;
            }
            if (!Proof.IsSame(hello.Auth.Proof, wanted))
            {
                End(Trouble.Stranger);
                return;
            }
            Hello = hello;
            socket.SilenceMs = (int)(2500 * hello.HeartbeatS);
            Send(Identify(hello), Status.Connecting);
        }

        private Identify Identify(Hello hello)
        {
            var identify = new Identify
            {
                Protocol = Wire.Protocol,
                Client = new ClientInfo { Kind = "editor", Name = "popbridge-unity", Version = identity.Version },
                Engine = new EngineInfo { Name = "unity", Version = identity.EngineVersion },
                Project = new ProjectInfo
                {
                    Id = identity.ProjectId, Name = identity.ProjectName, Root = identity.ProjectRoot,
                },
                Instance = identity.Instance,
                Locale = identity.Locale,
                Auth = new AuthProof
                {
                    Id = file.TokenId, Nonce = nonce,
                    Proof = Proof.OfClient(file.Token, file.TokenId, nonce, hello.Auth.Nonce, file.Fingerprint),
                },
            };
            if (hello.Features.Contains(Wire.PopupItems)) identify.Features.Add(Wire.PopupItems);
            if (state.Session.Length > 0)
                identify.Resume = new Resume
                {
                    Session = state.Session, Token = state.ResumeToken, LastSeq = state.LastSeq,
                };
            return identify;
        }

        private void OnReady(Ready ready)
        {
            Welcome = ready;
            SetProblem(Trouble.None, "");
            backoffMs = FirstBackoffMs;
            if (!ready.Resumed)
            {
                received = state.LastSeq = 0;
                inProgress.Clear();
            }
            acknowledged = state.LastSeq;
            state.Session = ready.Session;
            state.ResumeToken = ready.ResumeToken;
            Save();
            SetState(Status.Open);
            Opened?.Invoke(ready);
            foreach (var answer in state.Answers) socket.Send(Msgpack.Pack(answer));
            // Replies sent shortly before the connection was lost may not have arrived; repeated ones are ignored.
            foreach (var reply in state.RepliesSince(lostAt - (long)(2 * Hello.HeartbeatS)))
                socket.Send(Msgpack.Pack(reply));
        }

        private static long? Seq(Message message)
        {
            switch (message)
            {
                case Command command: return command.Seq;
                case Popup popup: return popup.Seq;
                case Result result: return result.Seq;
                case ErrorMessage error: return error.Seq;
                case EventMessage happened: return happened.Seq;
                default: return null;
            }
        }

        private void Receive(Message message, long? seq)
        {
            if (seq <= received)
            {
                if (message is Command again) Repeat(again);
                return;
            }
            if (seq != null)
            {
                received = seq.Value;
                inProgress.Add(seq.Value);
            }
            switch (message)
            {
                case Command command:
                    // An editor that was killed may have stored its reply but not that it handled the command.
                    if (!Repeat(command)) CommandReceived?.Invoke(command);
                    return;
                case Popup popup:
                    if (!state.HasAnswer(popup.Id)) PopupShown?.Invoke(popup);
                    break;
                case PopupClose close:
                    state.DeleteAnswer(close.Id);
                    PopupClosed?.Invoke(close);
                    break;
                case PopupProgress progress: PopupProgressed?.Invoke(progress); break;
                case Result result: Answered(result.Id, result); break;
                case ErrorMessage error: Answered(error.Id ?? -1, error); break;
                case Cancel cancel: CommandCancelled?.Invoke(cancel.Id); break;
                case ProgressMessage progress: RequestProgressed?.Invoke(progress); break;
            }
            Finish(seq);
        }

        private void Answered(long id, Message answer)
        {
            if (!questions.TryGetValue(id, out var answered))
            {
                RequestAnswered?.Invoke(id, answer);
                return;
            }
            questions.Remove(id);
            answered(answer);
        }

        /// <summary>Sends the stored reply to a command again; false if there is none.</summary>
        private bool Repeat(Command command)
        {
            var reply = state.ReplyTo(command.Id);
            if (reply == null) return false;
            socket.Send(Msgpack.Pack(reply));
            Finish(command.Seq);
            return true;
        }

        private void Finish(long? seq)
        {
            if (seq == null) return;
            inProgress.Remove(seq.Value);
            ackDue = clock.ElapsedMilliseconds + AckDelayMs;
        }

        /// <summary>Returns the number up to which everything is handled.</summary>
        private long Handled()
        {
            var handled = received;
            foreach (var seq in inProgress) handled = Math.Min(handled, seq - 1);
            return handled;
        }

        private void Acknowledge()
        {
            acknowledged = state.LastSeq = Handled();
            // What isn't acknowledged comes again, so it may only be acknowledged once it is stored.
            Save();
            Send(new Ack { Seq = acknowledged });
        }

        private bool Send(Message message) => Send(message, Status.Open);

        private bool Send(Message message, Status needed) =>
            State == needed && socket != null && socket.Send(Messages.Encode(message));

        private Trouble Ended(out string reason)
        {
            var code = socket.CloseCode;
            reason = "";
            if (code == Wire.CloseSessionInvalid)
            {
                state.Forget();
                received = acknowledged = 0;
                inProgress.Clear();
                Forgotten?.Invoke();
                return Trouble.None;
            }
            if (socket.Refusal.Length > 0)
            {
                reason = socket.Refusal;
                return Trouble.Refused;
            }
            if (code == 0 || code == Wire.CloseRestart) return Trouble.None;
            // What is sent again after each reconnect would be refused again.
            if (code >= Wire.CloseMissingField && code <= Wire.CloseWrongValue) state.ForgetUnsent();
            reason = code + " " + (socket.CloseReason.Length > 0 ? socket.CloseReason : Wire.CloseText(code) ?? "");
            return Trouble.Refused;
        }

        private void End(Trouble problem, string reason = "")
        {
            var wasOpen = State == Status.Open;
            SetProblem(problem, reason);
            socket.Close(1000, "");
            socket = null;
            lostAt = Now();
            Wait(wasOpen || problem != Trouble.None ? Status.Retrying : Status.Searching);
            if (!wasOpen) return;
            var open = new List<Action<Message>>(questions.Values);
            questions.Clear();
            foreach (var answered in open) answered(null);
            Lost?.Invoke();
        }

        private void SetProblem(Trouble problem, string reason)
        {
            Problem = problem;
            Reason = reason;
        }

        private void Wait(Status status)
        {
            retryAt = clock.ElapsedMilliseconds + backoffMs + jitter.Next(backoffMs / 4);
            backoffMs = Math.Min(2 * backoffMs, MaxBackoffMs);
            SetState(status);
        }

        private void SetState(Status now)
        {
            if (State == now) return;
            State = now;
            StatusChanged?.Invoke();
        }

        private void Save()
        {
            try
            {
                state.Save();
            }
            catch (Exception error) when (error is IOException || error is UnauthorizedAccessException)
            {
                Trace.TraceWarning("PopBridge: its state can't be stored (" + error.Message + "). Answers may be lost.");
            }
        }

        private static long Now() => DateTimeOffset.UtcNow.ToUnixTimeSeconds();
    }
}
