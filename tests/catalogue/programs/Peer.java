import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/** Java as a program: java Peer.java serve|call PORT CERT KEY CA [PROTOCOL], "-" for none of them. */
public final class Peer {
    private static final char[] NO_PASSWORD = new char[0];
    private static final int MILLISECONDS = 5000;

    public static void main(String[] words) throws Exception {
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(
            words[2].equals("-") ? null : identity(words[2], words[3]).getKeyManagers(),
            words[4].equals("-") ? null : anchors(words[4]).getTrustManagers(),
            null);
        String[] protocols = words.length > 5 ? new String[] {words[5]} : null;
        int port = Integer.parseInt(words[1]);
        if (words[0].equals("serve")) {
            serve(context, port, protocols, !words[4].equals("-"));
        } else {
            call(context, port, protocols);
        }
    }

    private static void serve(SSLContext context, int port, String[] protocols, boolean asks) throws Exception {
        InetAddress here = InetAddress.getByName("127.0.0.1");
        SSLServerSocket listener =
            (SSLServerSocket) context.getServerSocketFactory().createServerSocket(port, 50, here);
        listener.setNeedClientAuth(asks);
        if (protocols != null) {
            listener.setEnabledProtocols(protocols);
        }
        System.out.println("listening");
        while (true) {
            SSLSocket socket = (SSLSocket) listener.accept();
            new Thread(() -> answer(socket)).start();
        }
    }

    private static void answer(SSLSocket socket) {
        try (socket) {
            socket.setSoTimeout(MILLISECONDS);
            InputStream in = socket.getInputStream();
            in.read(new byte[4096]);
            OutputStream out = socket.getOutputStream();
            out.write("HTTP/1.0 200 OK\r\n\r\nwelcome".getBytes());
            out.flush();
        } catch (Exception problem) {
            System.out.println(problem);
        }
    }

    private static void call(SSLContext context, int port, String[] protocols) throws Exception {
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("localhost", port)) {
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            if (protocols != null) {
                parameters.setProtocols(protocols);
            }
            socket.setSSLParameters(parameters);
            socket.setSoTimeout(MILLISECONDS);
            socket.getOutputStream().write("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n".getBytes());
            socket.getInputStream().read(new byte[4096]);
        } catch (Exception problem) {
            System.out.println(problem);
        }
    }

    private static KeyManagerFactory identity(String chain, String key) throws Exception {
        Certificate[] certificates = certificates(chain);
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("us", key(key, certificates[0].getPublicKey().getAlgorithm()), NO_PASSWORD, certificates);
        KeyManagerFactory made = KeyManagerFactory.getInstance("NewSunX509");
        made.init(new javax.net.ssl.KeyStoreBuilderParameters(
            KeyStore.Builder.newInstance(store, new KeyStore.PasswordProtection(NO_PASSWORD))));
        return made;
    }

    private static TrustManagerFactory anchors(String file) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        int number = 0;
        for (Certificate each : certificates(file)) {
            store.setCertificateEntry("anchor " + number++, each);
        }
        TrustManagerFactory made = TrustManagerFactory.getInstance("PKIX");
        made.init(store);
        return made;
    }

    private static Certificate[] certificates(String file) throws Exception {
        try (InputStream in = Files.newInputStream(Path.of(file))) {
            return CertificateFactory.getInstance("X.509").generateCertificates(in).toArray(new Certificate[0]);
        }
    }

    private static PrivateKey key(String file, String algorithm) throws Exception {
        String text = Files.readString(Path.of(file)).replaceAll("-----[A-Z ]+-----|\\s", "");
        return KeyFactory.getInstance(algorithm.equals("EC") ? "EC" : algorithm)
            .generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text)));
    }
}
