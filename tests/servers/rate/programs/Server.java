// SPDX-License-Identifier: Apache-2.0
// Two web servers for the files of a directory: the JDK's, on port 90 of 127.0.0.1, and one with a
// selector and FileChannel.transferTo, a connection for each request, on port 91.

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Executors;

public class Server {
	static Path directory;

	static class Transfer {
		final ByteBuffer request = ByteBuffer.allocate(4096);
		ByteBuffer head;
		FileChannel file;
		long at;
	}

	static void jdk() throws IOException {
		HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 90), 1024);

		server.setExecutor(Executors.newFixedThreadPool(16));
		server.createContext("/", (HttpExchange exchange) -> {
			Path file = directory.resolve(exchange.getRequestURI().getPath().substring(1));

			exchange.sendResponseHeaders(200, Files.size(file));
			try (OutputStream out = exchange.getResponseBody()) {
				Files.copy(file, out);
			}
		});
		server.start();
	}

	static void read(SelectionKey key, Transfer transfer) throws IOException {
		SocketChannel channel = (SocketChannel) key.channel();

		if (channel.read(transfer.request) < 0) {
			channel.close();
			return;
		}
		String text = new String(transfer.request.array(), 0, transfer.request.position(),
			StandardCharsets.ISO_8859_1);
		if (!text.endsWith("\r\n\r\n"))
			return;
		transfer.file = FileChannel.open(directory.resolve(text.split(" ")[1].substring(1)));
		transfer.head = ByteBuffer.wrap(("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: "
			+ transfer.file.size() + "\r\n\r\n").getBytes(StandardCharsets.ISO_8859_1));
		key.interestOps(SelectionKey.OP_WRITE);
	}

	static void write(SelectionKey key, Transfer transfer) throws IOException {
		SocketChannel channel = (SocketChannel) key.channel();

		if (transfer.head.hasRemaining()) {
			channel.write(transfer.head);
			return;
		}
		transfer.at += transfer.file.transferTo(transfer.at, transfer.file.size() - transfer.at, channel);
		if (transfer.at == transfer.file.size()) {
			transfer.file.close();
			channel.close();
		}
	}

	static void serve(SelectionKey key) {
		try {
			if (key.isReadable())
				read(key, (Transfer) key.attachment());
			else if (key.isWritable())
				write(key, (Transfer) key.attachment());
		} catch (IOException e) {
			System.err.println(e);
			key.cancel();
		}
	}

	public static void main(String[] args) throws IOException {
		Selector selector = Selector.open();
		ServerSocketChannel listener = ServerSocketChannel.open();

		directory = Path.of(args[0]);
		jdk();
		listener.bind(new InetSocketAddress("127.0.0.1", 91));
		listener.configureBlocking(false);
		listener.register(selector, SelectionKey.OP_ACCEPT);
		while (true) {
			selector.select();
			for (SelectionKey key : selector.selectedKeys()) {
				if (key.isAcceptable()) {
					SocketChannel channel = listener.accept();

					channel.configureBlocking(false);
					channel.register(selector, SelectionKey.OP_READ, new Transfer());
				} else {
					serve(key);
				}
			}
			selector.selectedKeys().clear();
		}
	}
}
