"""Real servers to stand behind a node: nginx, Express, Flask under gunicorn, and Bottle under the standard library's WSGI server.

Each has the same site: some answers of every sort, and `/checkout`, whose handler says so.
"""

import contextlib
import os
import sys
from pathlib import Path

from fleet import listens
from tools import free_ports, process, until

# What only the handler of `/checkout` says.
PROTECTED = b"this is the till"

NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log stderr;
events {{ worker_connections 256; }}
http {{
  access_log off; default_type text/plain; client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  include {types}; gzip on; gzip_min_length 1; gzip_types text/plain text/css;
  # By default nginx compresses nothing for what has come through a proxy that says so.
  gzip_proxied any;
  client_max_body_size 8m;
  server {{
    listen 127.0.0.1:{port};
    root {root};
    {checkout} {{ return 200 "{protected}\\n"; }}
    location = /text {{ return 200 "some text of a site\\n"; }}
    location = /moved {{ return 302 /text; }}
    location = /empty {{ return 204; }}
    location = /teapot {{ return 418 "short and stout\\n"; }}
  }}
}}
"""

EXPRESS = """
const express = require("express"), path = require("path"), app = express();
app.use(express.static(path.join(__dirname, "root")));
app.all("/checkout", (request, response) => response.send(PROTECTED));
app.get("/text", (request, response) => response.type("text").send("some text of a site\\n"));
app.get("/moved", (request, response) => response.redirect("/text"));
app.get("/empty", (request, response) => response.status(204).end());
app.get("/teapot", (request, response) => response.status(418).send("short and stout\\n"));
app.get("/pieces", (request, response) => {
  for (let n = 0; n < 100; n++) response.write("piece " + n + "\\n");
  response.end();
});
app.post("/echo", express.raw({ type: () => true, limit: "8mb" }), (request, response) => {
  response.set("X-Came", request.headers["content-type"]).cookie("basket", "7").send(request.body);
});
app.listen(Number(process.argv[2]), "127.0.0.1");
"""

FLASK = """
from flask import Flask, Response, redirect, request
app = Flask(__name__)
@app.route("/checkout", methods=["GET", "POST"])
def checkout(): return PROTECTED
@app.get("/text")
def text(): return Response("some text of a site\\n", mimetype="text/plain")
@app.get("/moved")
def moved(): return redirect("/text")
@app.get("/empty")
def empty(): return "", 204
@app.get("/teapot")
def teapot(): return "short and stout\\n", 418
@app.get("/pieces")
def pieces(): return Response(f"piece {n}\\n" for n in range(100))
@app.post("/echo")
def echo():
    answer = Response(request.get_data(), headers={"X-Came": request.content_type})
    answer.set_cookie("basket", "7")
    return answer
"""

BOTTLE = """
import socketserver, sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from bottle import Bottle, HTTPResponse, redirect, request, response
app = Bottle()
@app.route("/checkout", method=["GET", "POST"])
def checkout(): return PROTECTED
@app.get("/text")
def text():
    response.content_type = "text/plain"
    return "some text of a site\\n"
@app.get("/moved")
def moved(): return HTTPResponse(status=302, headers={"Location": "/text"})
@app.get("/empty")
def empty(): return HTTPResponse(status=204)
@app.get("/teapot")
def teapot(): return HTTPResponse("short and stout\\n", status=418)
@app.get("/pieces")
def pieces(): return (f"piece {n}\\n" for n in range(100))
@app.post("/echo")
def echo():
    response.set_header("X-Came", request.content_type)
    response.set_cookie("basket", "7")
    return request.body.read()
class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128
class Quiet(WSGIRequestHandler):
    def log_message(self, *_): pass
    def address_string(self): return ""
server = Server(("127.0.0.1", int(sys.argv[1])), Quiet)
server.set_app(app)
server.serve_forever()
"""


@contextlib.contextmanager
def started(folder, port, *command, env=None):
    log = folder / "origin.log"
    with process(*command, log=log, cwd=folder, env=env):
        until(lambda: log.read_text(), lambda: listens(port), 20)
        yield port


def nginx(checkout):
    """nginx whose `/checkout` is this kind of location."""

    def start(folder):
        (port,) = free_ports(1)
        root = folder / "root"
        root.mkdir()
        (root / "style.css").write_text("body { color: black }\n" * 50)
        types = Path("/etc/nginx/mime.types")
        text = NGINX.format(port=port, root=root, checkout=checkout, types=types, protected=PROTECTED.decode())
        (folder / "nginx.conf").write_text(text)
        return started(folder, port, "nginx", "-p", folder, "-c", folder / "nginx.conf")

    return start


def express(folder):
    (port,) = free_ports(1)
    (folder / "root").mkdir()
    (folder / "root" / "style.css").write_text("body { color: black }\n" * 50)
    (folder / "app.js").write_text(EXPRESS.replace("PROTECTED", f'"{PROTECTED.decode()}\\n"'))
    env = dict(os.environ, NODE_PATH=str(Path(os.environ["DEPLOY_CHECK_TOOLS"]) / "node_modules"), NODE_ENV="production")
    return started(folder, port, "node", folder / "app.js", port, env=env)


def flask(folder):
    (port,) = free_ports(1)
    (folder / "app.py").write_text(FLASK.replace("PROTECTED", f'"{PROTECTED.decode()}\\n"'))
    return started(folder, port, sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread",
                   "--threads", "8", "--log-level", "warning", "app:app")


def bottle(folder):
    (port,) = free_ports(1)
    (folder / "server.py").write_text(BOTTLE.replace("PROTECTED", f'"{PROTECTED.decode()}\\n"'))
    return started(folder, port, sys.executable, folder / "server.py", port)


KINDS = {
    "nginx, the exact path": nginx("location = /checkout"),
    "nginx, by a pattern": nginx('location ~ "^/checkout(/|$)"'),
    "nginx, in any case": nginx('location ~* "^/checkout(/|$)"'),
    "Express": express,
    "Flask": flask,
    "Bottle": bottle,
}
