"""`model.py COMMAND CLIENT...`: runs CLIENT beside a model service on the loopback that follows a script.

It speaks Anthropic's Messages API and OpenAI's Responses API, streaming, as far as the clients use them: it has the client
run COMMAND by its own tool, and ends the conversation once it has seen what came of it. It exits as CLIENT does.
"""
import http.server
import json
import subprocess
import sys
import threading

COMMAND = sys.argv[1]
RESULTS = {"function_call_output", "custom_tool_call_output", "local_shell_call_output"}


def messages(body):
    done = "tool_result" in json.dumps(body["messages"])
    tools = [tool["name"] for tool in body.get("tools", [])]
    if done or "Bash" not in tools:
        block, stop = {"type": "text", "text": ""}, "end_turn"
        delta = {"type": "text_delta", "text": "all is done"}
    else:
        block, stop = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}, "tool_use"
        delta = {"type": "input_json_delta", "partial_json": json.dumps({"command": COMMAND, "description": "work"})}
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield "message_start", {"message": message}
    yield "content_block_start", {"index": 0, "content_block": block}
    yield "content_block_delta", {"index": 0, "delta": delta}
    yield "content_block_stop", {"index": 0}
    yield "message_delta", {"delta": {"stop_reason": stop, "stop_sequence": None}, "usage": {"output_tokens": 1}}
    yield "message_stop", {}


def responses(body):
    tools = {tool.get("name") for tool in body.get("tools", [])}
    if any(item.get("type") in RESULTS for item in body["input"]):
        text = {"type": "output_text", "text": "all is done"}
        item = {"type": "message", "role": "assistant", "id": "msg_1", "content": [text]}
    else:
        arguments = {"cmd": COMMAND} if "exec_command" in tools else {"command": COMMAND}
        name = "exec_command" if "exec_command" in tools else "shell_command"
        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name,
                "arguments": json.dumps(arguments)}
    usage = {"input_tokens": 1, "input_tokens_details": None, "output_tokens": 1, "output_tokens_details": None,
             "total_tokens": 2}
    yield "response.created", {"response": {"id": "resp_1"}}
    yield "response.output_item.done", {"output_index": 0, "item": item}
    yield "response.completed", {"response": {"id": "resp_1", "output": [item], "usage": usage}}


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        path = self.path.split("?")[0]
        if path == "/v1/messages":
            return self.stream(messages(body))
        if path == "/v1/responses":
            return self.stream(responses(body))
        return self.send("application/json", b'{"input_tokens": 1}')

    def do_GET(self):
        self.send("application/json", b"{}")

    do_HEAD = do_GET

    def stream(self, events):
        lines = [f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n" for name, data in events]
        self.send("text/event-stream", "".join(lines).encode())

    def send(self, kind, content):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # a client that hangs up early


server = Server(("127.0.0.1", 8089), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.exit(subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL).returncode)
