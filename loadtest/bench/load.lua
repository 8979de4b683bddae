-- What wrk does: replays the heads of a file, and tells what came of it in one line of JSON.
--
--   wrk -s load.lua URL -- FILE FIRST
--
-- Heads in the file are separated by a NUL; the first FIRST of them come last. One of them may be several
-- requests, to be sent at once. A head that is alone may have @@ in it: a number that no other request has, from
-- FIRST on.

local threads = {}
local heads, parts, at

local function split(text, mark)
   local found, from = {}, 1
   while true do
      local first, last = text:find(mark, from, true)
      found[#found + 1] = text:sub(from, (first or 0) - 1)
      if not first then return found end
      from = last + 1
   end
end

function setup(thread)
   threads[#threads + 1] = thread
end

local function next_stranger()
   at = at + 1
   return table.concat(parts, string.format("%x", at))
end

function init(args)
   local file = assert(io.open(args[1], "rb"))
   local text = file:read("*a")
   file:close()
   heads = split(text, "\0")
   parts = split(heads[1], "@@")
   at = tonumber(args[2])
   if #heads == 1 and #parts > 1 then
      request = next_stranger
   else
      at = at % #heads
   end
   began = os.clock() -- CPU seconds of all the process, once everything is read
end

function request()
   at = at + 1
   if at > #heads then at = 1 end
   return heads[at]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\nbench: {"requests":%d,"bytes":%d,"seconds":%.6f,"cpu_seconds":%.4f,"p50":%.4f,"p99":%.4f,' ..
      '"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
      summary.requests, summary.bytes, summary.duration / 1e6, os.clock() - threads[1]:get("began"),
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
