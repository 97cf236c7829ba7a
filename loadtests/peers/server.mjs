// A chat server as one writes it on Node's Socket.IO, with the wire shapes of Zhenjian.
//
//   node server.mjs <port> [postgresql://...]
//
// Without a database nothing is stored. With one, each message is stored by the statement that
// Zhenjian runs, and acknowledged after its commit. Nothing is encrypted and nobody is asked for a
// token: less work than Zhenjian does.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { Server } from "socket.io";

const [port, database] = process.argv.slice(2);
const hospital = process.env.BENCH_HOSPITAL;
const PLACES = ["consultation:active"];

let store = null;
if (database) {
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({ connectionString: database, max: 10 });
  const text =
    "SELECT seq FROM store_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
  store = async (user, message) => {
    const values = [
      [message.room], [hospital], [user.id], [user.role], [message.client_id], [message.kind],
      PLACES, [message.reply_to], [randomUUID()], [Buffer.from(JSON.stringify(message.body))],
      new Date(),
    ];
    const { rows } = await pool.query({ name: "store", text, values });
    return Number(rows[0].seq);
  };
}

const http = createServer((request, response) => response.end("ok"));
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false, serveClient: false });
let last = 0;

io.on("connection", (socket) => {
  const user = { id: socket.handshake.auth.user, role: socket.handshake.auth.role, name: "压力测试" };
  socket.on("room:join", ({ room }, answer) => {
    socket.join(room);
    answer({ ok: true });
  });
  socket.on("message:send", async (message, answer) => {
    const seq = store ? await store(user, message) : ++last;
    const at = new Date();
    answer({ ok: true, seq, at, duplicate: false });
    io.to(message.room).emit("message", {
      room: message.room,
      seq,
      id: randomUUID(),
      kind: message.kind,
      sender: { user_id: user.id, name: user.name, role: user.role },
      client_id: message.client_id,
      body: message.body,
      reply_to: message.reply_to,
      at,
      recalled: false,
    });
  });
});

http.listen(Number(port), "127.0.0.1", 5000);
