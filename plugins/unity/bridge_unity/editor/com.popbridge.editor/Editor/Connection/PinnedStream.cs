using System;
using System.IO;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PopBridge.Connection
{
    /// <summary>Opens connections to the daemon, encrypted if its address says so.</summary>
    internal static class PinnedStream
    {
        /// <summary>
        /// Connects `socket` and returns its stream. With TLS, the certificate must have this SHA-256: nothing else is
        /// trusted. Throws IOException, SocketException and AuthenticationException; closing `socket` ends it.
        /// </summary>
        internal static Stream Open(TcpClient socket, Uri address, string fingerprint, int timeoutMs)
        {
            socket.NoDelay = true;
            socket.Connect(address.DnsSafeHost, address.Port);
            socket.SendTimeout = socket.ReceiveTimeout = timeoutMs;
            Stream stream = socket.GetStream();
            if (address.Scheme != "wss" && address.Scheme != "https") return stream;
            // Callbacks of other kinds are never called on Mono.
            var secure = new SslStream(stream, false, (_, certificate, __, ___) => IsPinned(certificate, fingerprint));
            secure.AuthenticateAsClient(address.DnsSafeHost, null, SslProtocols.Tls12, false);
            return secure;
        }

        private static bool IsPinned(X509Certificate certificate, string fingerprint)
        {
            if (certificate == null || fingerprint.Length == 0) return false;
            byte[] digest;
            using (var sha = SHA256.Create()) digest = sha.ComputeHash(certificate.GetRawCertData());
            var hex = BitConverter.ToString(digest).Replace("-", "");
            return string.Equals(hex, fingerprint, StringComparison.OrdinalIgnoreCase);
        }
    }
}
