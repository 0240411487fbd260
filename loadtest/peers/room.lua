-- A waiting room of two counters in Redis: `issued`, the last number given to a visitor, and `called`, the last that may
-- enter. A visitor carries the number in a cookie: NUMBER.EXPIRES.MAC, with HMAC-SHA-1, which nginx has built in.

local ngx = ngx
local tonumber, match, byte = tonumber, string.match, string.byte

local SECRET = "@secret@"
local REDIS_PORT = @redis_port@
-- How long a worker believes what it has read of `called`; 0: it asks for every request.
local BELIEVE_S = @believe_s@
local LIFE_S = 43200

local GET_CALLED = "*2\r\n$3\r\nGET\r\n$6\r\ncalled\r\n"
local INCR_ISSUED = "*2\r\n$4\r\nINCR\r\n$6\r\nissued\r\n"
local COLON = byte(":")

local page

local function fail(what)
    ngx.log(ngx.ERR, "redis: ", what)
    ngx.exit(500)
end

-- A reply that is a number: ":17", or "$2" and "17".
local function number_of(socket)
    local line, err = socket:receive()
    if not line then fail(err) end
    if byte(line) == COLON then return tonumber(line:sub(2)) end
    if line == "$-1" then return 0 end
    line, err = socket:receive()
    if not line then fail(err) end
    return tonumber(line)
end

-- Sends commands, one or two, in one write, over a connection that goes back into the worker's pool.
local function redis(commands, two)
    local socket = ngx.socket.tcp()
    socket:settimeouts(500, 500, 500)
    local ok, err = socket:connect("127.0.0.1", REDIS_PORT)
    if not ok then fail(err) end
    ok, err = socket:send(commands)
    if not ok then fail(err) end
    local first = number_of(socket)
    local second = two and number_of(socket)
    socket:setkeepalive(60000, 128)
    return first, second
end

local function called()
    if BELIEVE_S == 0 then return redis(GET_CALLED) end
    local believed = ngx.shared.room:get("called")
    if believed then return believed end
    believed = redis(GET_CALLED)
    ngx.shared.room:set("called", believed, BELIEVE_S)
    return believed
end

local function mac(text)
    return ngx.encode_base64(ngx.hmac_sha1(SECRET, text))
end

local function verify(cookie)
    if not cookie then return nil end
    local text, number, expires, given = match(cookie, "^((%d+)%.(%d+))%.(.+)$")
    if not text or mac(text) ~= given or tonumber(expires) < ngx.time() then return nil end
    return tonumber(number)
end

-- A number for a newcomer, and how far the line is.
local function take()
    local number, head
    if BELIEVE_S == 0 then
        number, head = redis(INCR_ISSUED .. GET_CALLED, true)
    else
        number, head = redis(INCR_ISSUED), called()
    end
    local text = number .. "." .. (ngx.time() + LIFE_S)
    ngx.header["Set-Cookie"] = "room=" .. text .. "." .. mac(text) .. "; Path=/; HttpOnly; SameSite=Lax"
    return number, head
end

local function answer(status, content_type, body)
    local header = ngx.header
    ngx.status = status
    header["Content-Type"] = content_type
    header["Content-Length"] = #body
    header["Cache-Control"] = "no-store, private"
    header["Retry-After"] = "20"
    ngx.print(body)
    return ngx.exit(status)
end

local room = {}

function room.open(path)
    local file = assert(io.open(path, "rb"))
    page = file:read("*a")
    file:close()
end

-- Lets a request pass or answers it; a question about the status is always answered.
function room.gate(status)
    local number, head = verify(ngx.var.cookie_room), nil
    if number then
        head = called()
    else
        number, head = take()
    end
    if status then
        local waits = number > head
        return answer(200, "application/json", '{"state":"' .. (waits and "waiting" or "called") .. '","number":' .. number
            .. ',"ahead":' .. (waits and number - head - 1 or 0) .. "}")
    end
    if number <= head then return end
    return answer(503, "text/html", page)
end

return room
