# A server and a client over loopback, IPv4 and a Unix socket; the outside is not there.
import http.server, os, socket, threading, urllib.request

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello " + self.path.encode())

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
print(sum(urllib.request.urlopen(f"{url}/{n}").read() == f"hello /{n}".encode() for n in range(50)))
a = socket.socket(socket.AF_UNIX)
a.bind("sock"), a.listen()
b = socket.socket(socket.AF_UNIX)
b.connect("sock"), b.sendall(b"unix")
print(a.accept()[0].recv(9).decode())
os.unlink("sock")
try:
    socket.create_connection(("1.1.1.1", 80), timeout=5)
except OSError as error:
    print(error.strerror)
