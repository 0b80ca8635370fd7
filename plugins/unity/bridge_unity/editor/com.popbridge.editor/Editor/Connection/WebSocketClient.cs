using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Text;
using System.Threading;

namespace PopBridge.Connection
{
    /// <summary>
    /// A WebSocket client (RFC 6455) of binary messages. .NET's own can't pin certificates on Mono and hangs on a
    /// silent peer.
    /// </summary>
    /// <remarks>Two threads read and write; the caller never waits. While nothing arrives, nothing is allocated.</remarks>
    public sealed class WebSocketClient
    {
        public enum Status { Connecting, Open, Closed }

        private enum Opcode { Continuation = 0, Text = 1, Binary = 2, Close = 8, Ping = 9, Pong = 10 }

        private const int HandshakeMs = 10000;
        private const int MaxHead = 8192;
        private const int CloseWaitMs = 100;
        private const int MaxQueued = 8 << 20;
        private const string Salt = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

        private readonly Uri address;
        private readonly string subprotocol;
        private readonly string fingerprint;
        private readonly int maxMessage;
        private readonly TcpClient socket = new TcpClient();
        private readonly Queue<byte[]> received = new Queue<byte[]>();
        private readonly Queue<byte[]> outgoing = new Queue<byte[]>();
        private readonly RandomNumberGenerator random = RandomNumberGenerator.Create();
        private readonly byte[] mask = new byte[4];
        private Stream stream;
        private int queued;
        private bool isWriting;
        private volatile int receivedCount;
        private volatile Status status = Status.Connecting;

        /// <summary>Starts to connect. `maxMessage` is the size of the largest message, in bytes.</summary>
        public WebSocketClient(Uri address, string subprotocol, string fingerprint, int maxMessage)
        {
            this.address = address;
            this.subprotocol = subprotocol;
            this.fingerprint = fingerprint;
            this.maxMessage = maxMessage;
            Start("PopBridge receives", Receive);
        }

        public Status State => status;

        /// <summary>The code with which the peer closed the connection; 0 if it didn't.</summary>
        public int CloseCode { get; private set; }

        public string CloseReason { get; private set; } = "";

        /// <summary>What a server answered instead of opening a WebSocket; empty if none did.</summary>
        public string Refusal { get; private set; } = "";

        /// <summary>The longest time without any frame, in milliseconds; the peer's pings count.</summary>
        public int SilenceMs
        {
            set => socket.ReceiveTimeout = value;
        }

        /// <summary>Takes the next message.</summary>
        public bool TryReceive(out byte[] message)
        {
            message = null;
            if (receivedCount == 0) return false;
            lock (received)
            {
                message = received.Dequeue();
                receivedCount = received.Count;
            }
            return true;
        }

        /// <summary>Queues a message; false if the connection isn't open or the peer doesn't read.</summary>
        public bool Send(byte[] message) => status == Status.Open && Enqueue(Frame(Opcode.Binary, message));

        /// <summary>Says farewell, waits at most 100 ms until that is sent, and closes.</summary>
        public void Close(int code, string reason)
        {
            if (status == Status.Open)
            {
                Enqueue(Frame(Opcode.Close, ClosePayload(code, reason)));
                lock (outgoing)
                {
                    // A peer that doesn't read must not hold up the editor.
                    if (outgoing.Count > 0 || isWriting) Monitor.Wait(outgoing, CloseWaitMs);
                }
            }
            End();
        }

        private void Start(string name, ThreadStart run) =>
            new Thread(run) { IsBackground = true, Name = name }.Start();

        private void Receive()
        {
            try
            {
                stream = PinnedStream.Open(socket, address, fingerprint, HandshakeMs);
                Upgrade();
                status = Status.Open;
                Start("PopBridge sends", Write);
                while (ReadFrame()) { }
                End();
            }
            catch (Exception error) when (IsOfNetwork(error))
            {
                End();
            }
        }

        private static bool IsOfNetwork(Exception error) =>
            error is IOException || error is SocketException || error is AuthenticationException
            || error is ObjectDisposedException || error is InvalidOperationException || error is FormatException;

        private void Upgrade()
        {
            var nonce = new byte[16];
            random.GetBytes(nonce);
            var key = Convert.ToBase64String(nonce);
            Write(Encoding.ASCII.GetBytes(
                "GET " + address.PathAndQuery + " HTTP/1.1\r\nHost: " + address.Authority
                + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + key
                + "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: " + subprotocol + "\r\n\r\n"));
            var lines = Head().Split(new[] { "\r\n" }, StringSplitOptions.None);
            var fields = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
            for (var at = 1; at < lines.Length; at++)
            {
                var colon = lines[at].IndexOf(':');
                if (colon > 0) fields[lines[at].Substring(0, colon)] = lines[at].Substring(colon + 1).Trim();
            }
            string accept;
            using (var sha = SHA1.Create())
                accept = Convert.ToBase64String(sha.ComputeHash(Encoding.ASCII.GetBytes(key + Salt)));
            if (!lines[0].StartsWith("HTTP/1.1 101", StringComparison.Ordinal)) Refuse(lines[0]);
            if (!fields.TryGetValue("Sec-WebSocket-Accept", out var accepted) || accepted != accept
                || !fields.TryGetValue("Sec-WebSocket-Protocol", out var chosen) || chosen != subprotocol)
                Refuse("another kind of server");
        }

        private void Refuse(string answer)
        {
            Refusal = answer;
            throw new IOException(answer);
        }

        /// <summary>Reads the head of the answer byte by byte: what follows it belongs to the first frame.</summary>
        private string Head()
        {
            var head = new StringBuilder();
            while (head.Length < 4 || head.ToString(head.Length - 4, 4) != "\r\n\r\n")
            {
                var next = stream.ReadByte();
                if (next < 0 || head.Length > MaxHead) throw new IOException("no WebSocket answers");
                head.Append((char)next);
            }
            return head.ToString();
        }

        private byte[] message;
        private readonly byte[] frameHead = new byte[14];

        /// <summary>Reads one frame; false after the peer's farewell.</summary>
        private bool ReadFrame()
        {
            ReadFully(frameHead, 0, 2);
            var isLast = (frameHead[0] & 0x80) != 0;
            var opcode = (Opcode)(frameHead[0] & 0x0f);
            // Reserved bits belong to extensions, and servers don't mask.
            if ((frameHead[0] & 0x70) != 0 || (frameHead[1] & 0x80) != 0) throw new IOException("an invalid frame");
            long length = frameHead[1] & 0x7f;
            if (length >= 126) length = ReadLength(length == 126 ? 2 : 8);
            var before = message == null ? 0 : message.Length;
            if (length < 0 || before + length > maxMessage) throw new IOException("a message that is too large");
            var payload = new byte[length];
            ReadFully(payload, 0, payload.Length);
            if (opcode >= Opcode.Close) return Control(opcode, payload, isLast);
            if (opcode == Opcode.Text || (opcode == Opcode.Continuation) != (message != null))
                throw new IOException("an unexpected frame");
            message = Joined(message, payload);
            if (!isLast) return true;
            lock (received)
            {
                received.Enqueue(message);
                receivedCount = received.Count;
            }
            message = null;
            return true;
        }

        private long ReadLength(int bytes)
        {
            ReadFully(frameHead, 2, bytes);
            long length = 0;
            for (var at = 2; at < 2 + bytes; at++) length = length << 8 | frameHead[at];
            return length;
        }

        private bool Control(Opcode opcode, byte[] payload, bool isLast)
        {
            if (payload.Length > 125 || !isLast) throw new IOException("an invalid control frame");
            if (opcode == Opcode.Ping) Enqueue(Frame(Opcode.Pong, payload));
            if (opcode != Opcode.Close) return true;
            if (payload.Length >= 2)
            {
                CloseCode = payload[0] << 8 | payload[1];
                CloseReason = Encoding.UTF8.GetString(payload, 2, payload.Length - 2);
            }
            Enqueue(Frame(Opcode.Close, payload));
            return false;
        }

        private static byte[] Joined(byte[] start, byte[] rest)
        {
            if (start == null) return rest;
            var joined = new byte[start.Length + rest.Length];
            Buffer.BlockCopy(start, 0, joined, 0, start.Length);
            Buffer.BlockCopy(rest, 0, joined, start.Length, rest.Length);
            return joined;
        }

        private void ReadFully(byte[] target, int from, int count)
        {
            for (var done = 0; done < count;)
            {
                var read = stream.Read(target, from + done, count - done);
                if (read == 0) throw new IOException("the connection is lost");
                done += read;
            }
        }

        private bool Enqueue(byte[] frame)
        {
            lock (outgoing)
            {
                if (queued + frame.Length > MaxQueued || status == Status.Closed) return false;
                queued += frame.Length;
                outgoing.Enqueue(frame);
                Monitor.PulseAll(outgoing);
            }
            return true;
        }

        private void Write()
        {
            try
            {
                for (;;)
                {
                    byte[] frame;
                    lock (outgoing)
                    {
                        isWriting = false;
                        Monitor.PulseAll(outgoing);
                        while (outgoing.Count == 0)
                        {
                            if (status == Status.Closed) return;
                            Monitor.Wait(outgoing);
                        }
                        frame = outgoing.Dequeue();
                        queued -= frame.Length;
                        isWriting = true;
                    }
                    Write(frame);
                }
            }
            catch (Exception error) when (IsOfNetwork(error))
            {
                End();
            }
        }

        private void Write(byte[] bytes)
        {
            stream.Write(bytes, 0, bytes.Length);
            stream.Flush();
        }

        private byte[] Frame(Opcode opcode, byte[] payload)
        {
            var extra = payload.Length < 126 ? 0 : payload.Length <= ushort.MaxValue ? 2 : 8;
            var frame = new byte[2 + extra + 4 + payload.Length];
            frame[0] = (byte)(0x80 | (int)opcode);
            frame[1] = (byte)(0x80 | (extra == 0 ? payload.Length : extra == 2 ? 126 : 127));
            for (var at = 0; at < extra; at++) frame[2 + at] = (byte)((long)payload.Length >> 8 * (extra - 1 - at));
            lock (mask)
            {
                random.GetBytes(mask);
                Buffer.BlockCopy(mask, 0, frame, 2 + extra, 4);
                for (var at = 0; at < payload.Length; at++)
                    frame[6 + extra + at] = (byte)(payload[at] ^ mask[at & 3]);
            }
            return frame;
        }

        private static byte[] ClosePayload(int code, string reason)
        {
            var text = Encoding.UTF8.GetBytes(reason);
            var payload = new byte[2 + Math.Min(text.Length, 123)];
            payload[0] = (byte)(code >> 8);
            payload[1] = (byte)code;
            Buffer.BlockCopy(text, 0, payload, 2, payload.Length - 2);
            return payload;
        }

        private void End()
        {
            lock (outgoing)
            {
                status = Status.Closed;
                Monitor.PulseAll(outgoing);
            }
            // It also ends a pending read.
            socket.Close();
        }
    }
}
