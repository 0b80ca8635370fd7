using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using System.Threading;

namespace PopBridge.Connection
{
    /// <summary>Fetches blobs, such as thumbnails, over HTTP/1.1 on a thread of its own, one at a time.</summary>
    public sealed class BlobClient
    {
        private const int TimeoutMs = 10000;
        private const int MaxHead = 16384;
        private const int MaxBlob = 512 << 20;

        private readonly Queue<Wanted> wanted = new Queue<Wanted>();
        private readonly Queue<Wanted> done = new Queue<Wanted>();
        private bool isRunning;
        private volatile int doneCount;

        private sealed class Wanted
        {
            internal Uri Address;
            internal string Fingerprint;
            internal string Token;
            internal Action<byte[]> Arrived;
            internal byte[] Content;
        }

        /// <summary>Asks for a blob; `arrived` gets its bytes, or null, in a later `Deliver`.</summary>
        public void Fetch(Uri http, string fingerprint, string token, string sha256, Action<byte[]> arrived)
        {
            lock (wanted)
            {
                wanted.Enqueue(new Wanted
                {
                    Address = new Uri(http, "/blobs/" + sha256), Fingerprint = fingerprint, Token = token,
                    Arrived = arrived,
                });
                if (isRunning) return;
                isRunning = true;
            }
            new Thread(Run) { IsBackground = true, Name = "PopBridge fetches" }.Start();
        }

        /// <summary>Hands over what has arrived, on the caller's thread.</summary>
        public void Deliver()
        {
            while (doneCount > 0)
            {
                Wanted each;
                lock (done)
                {
                    each = done.Dequeue();
                    doneCount = done.Count;
                }
                each.Arrived(each.Content);
            }
        }

        /// <summary>Forgets what has been asked for.</summary>
        public void Cancel()
        {
            lock (wanted) wanted.Clear();
            lock (done)
            {
                done.Clear();
                doneCount = 0;
            }
        }

        private void Run()
        {
            for (;;)
            {
                Wanted each;
                lock (wanted)
                {
                    isRunning = wanted.Count > 0;
                    if (!isRunning) return;
                    each = wanted.Dequeue();
                }
                try
                {
                    each.Content = Get(each);
                }
                catch (Exception error) when (error is IOException || error is SocketException
                    || error is AuthenticationException || error is FormatException)
                {
                    each.Content = null;
                }
                lock (done)
                {
                    done.Enqueue(each);
                    doneCount = done.Count;
                }
            }
        }

        private static byte[] Get(Wanted each)
        {
            using (var socket = new TcpClient())
            using (var stream = PinnedStream.Open(socket, each.Address, each.Fingerprint, TimeoutMs))
            {
                var request = Encoding.ASCII.GetBytes(
                    "GET " + each.Address.PathAndQuery + " HTTP/1.1\r\nHost: " + each.Address.Authority
                    + "\r\nAuthorization: Bearer " + each.Token + "\r\nConnection: close\r\n\r\n");
                stream.Write(request, 0, request.Length);
                stream.Flush();
                var head = Head(stream).Split(new[] { "\r\n" }, StringSplitOptions.None);
                if (!head[0].StartsWith("HTTP/1.1 200", StringComparison.Ordinal)) return null;
                var content = new byte[Length(head)];
                for (var at = 0; at < content.Length;)
                {
                    var read = stream.Read(content, at, content.Length - at);
                    if (read == 0) throw new IOException("the connection is lost");
                    at += read;
                }
                return content;
            }
        }

        private static string Head(Stream stream)
        {
            var head = new StringBuilder();
            while (head.Length < 4 || head.ToString(head.Length - 4, 4) != "\r\n\r\n")
            {
                var next = stream.ReadByte();
                if (next < 0 || head.Length > MaxHead) throw new IOException("no HTTP answers");
                head.Append((char)next);
            }
            return head.ToString();
        }

        private static int Length(string[] head)
        {
            const string name = "content-length:";
            foreach (var line in head)
            {
                if (!line.StartsWith(name, StringComparison.OrdinalIgnoreCase)) continue;
                var length = int.Parse(line.Substring(name.Length), CultureInfo.InvariantCulture);
                return length >= 0 && length <= MaxBlob ? length : throw new IOException("a blob that is too large");
            }
            throw new IOException("an answer without a length");
        }
    }
}
