-- Which replica of an app gets a request. What the platform said last is in the shared dictionary, which is empty after
-- a start of NGINX; until it is filled again, what stands in the app's file counts. Loaded once by each worker.
local balancer = require "ngx.balancer"
local said = ngx.shared.avishkar

-- How long a replica that failed is passed over while there are others.
local AVOID_SECONDS = 1

local module = {}
local lists, turns, avoided = {}, {}, {}

-- "10.0.0.1:20000,[::1]:20001" as a list, kept until the text is another.
local function replicas(app, written)
  local text = said:get("replicas " .. app) or written
  local known = lists[app]
  if known and known.text == text then return known end
  local list = { text = text }
  for ip, port in text:gmatch("([^,]+):(%d+)") do
    list[#list + 1] = { ip = ip, port = tonumber(port), address = ip .. ":" .. port }
  end
  lists[app] = list
  return list
end

-- Next in turn that was not tried for this request: one that has not just failed, else any.
local function choose(app, list, tried)
  local count, now = #list, ngx.now()
  local turn = turns[app] or ngx.worker.pid()
  turns[app] = turn % 1000000007 + 1
  local fallback
  for step = 0, count - 1 do
    local each = list[(turn + step) % count + 1]
    if not tried[each.address] then
      if (avoided[each.address] or 0) <= now then return each end
      fallback = fallback or each
    end
  end
  -- NGINX asks once more after a kept connection turned out to be closed, which is no fault of the replica.
  return fallback or list[turn % count + 1]
end

-- Before the body is read: whether there is anybody to send it to.
function module.admit(app, written)
  if (said:get("replicas " .. app) or written) == "" then return ngx.exit(503) end
end

-- The same where requests come in; those that are large or may take long go on to the location for such.
function module.enter(app, written)
  if ngx.var.avishkar_streamed == "1" then return ngx.exec("@streamed") end
  return module.admit(app, written)
end

function module.balance(app, written)
  local list = replicas(app, written)
  -- The last one has gone since the request was let in.
  if #list == 0 then return ngx.exit(ngx.ERROR) end
  local context = ngx.ctx
  local tried = context.avishkar_tried
  if tried then
    tried[context.avishkar_last] = true
    avoided[context.avishkar_last] = ngx.now() + AVOID_SECONDS
  else
    tried = {}
    context.avishkar_tried = tried
    if #list > 1 then balancer.set_more_tries(#list - 1) end
  end
  local chosen = choose(app, list, tried)
  context.avishkar_last = chosen.address
  local ok, problem = balancer.set_current_peer(chosen.ip, chosen.port)
  if not ok then
    ngx.log(ngx.ERR, app, ": ", chosen.address, " cannot be asked: ", problem)
    return ngx.exit(502)
  end
end

-- Which app has one of the spare ports, until NGINX has read the app's own file.
local owners = { text = "" }

function module.owner()
  local text = said:get("ports") or ""
  if owners.text ~= text then
    owners = { text = text }
    for port, app in text:gmatch("(%d+) ([^,]+)") do owners[port] = app end
  end
  return owners[ngx.var.server_port]
end

-- The same as above at a spare port; one that is nobody's is closed without a word.
function module.enter_spare()
  local app = module.owner()
  if not app then return ngx.exit(444) end
  return module.enter(app, "")
end

function module.admit_spare()
  return module.admit(module.owner() or "", "")
end

function module.balance_spare()
  return module.balance(module.owner() or "", "")
end

-- Apps may not set the cookie of the platform's own session.
local function is_session(line)
  return line:find("^%s*avishkar_session%s*[=;]") or line:find("^%s*avishkar_session%s*$")
end

function module.drop_session_cookie()
  local set = ngx.header["Set-Cookie"]
  if not set then return end
  if type(set) == "string" then
    if is_session(set) then ngx.header["Set-Cookie"] = nil end
    return
  end
  local kept = {}
  for _, line in ipairs(set) do
    if not is_session(line) then kept[#kept + 1] = line end
  end
  if #kept < #set then ngx.header["Set-Cookie"] = kept end
end

-- What visitors read while there is no replica; escaped already.
function module.note(kind, app, written)
  return said:get(kind .. " " .. app) or written
end

function module.state(generation)
  ngx.print(generation, " ", said:get("revision") or "-")
end

local function refuse(status, sentence)
  ngx.status = status
  ngx.print(sentence)
end

-- POST: lines of fields with tabs between. `set APP REPLICAS HTML JSON`, `forget APP`, `only these` (whatever was not
-- set before is forgotten), `ports PORT APP,…` (all of them, or `-`), `revision NAME` as the last.
function module.change(token)
  if ngx.req.get_method() ~= "POST" or ngx.var.http_x_avishkar_token ~= token then return refuse(403, "not for you") end
  ngx.req.read_body()
  local set = {}
  for line in (ngx.req.get_body_data() or ""):gmatch("[^\n]+") do
    local verb, name, list, html, json = line:match("^(%a+)\t([^\t]+)\t?([^\t]*)\t?([^\t]*)\t?([^\t]*)$")
    if verb == "set" then
      set[name] = true
      for key, value in pairs({ replicas = list, html = html, json = json }) do
        local ok, problem = said:safe_set(key .. " " .. name, value)
        if not ok then return refuse(507, problem) end
      end
    elseif verb == "forget" then
      for _, key in ipairs({ "replicas ", "html ", "json " }) do said:delete(key .. name) end
    elseif verb == "only" then
      for _, key in ipairs(said:get_keys(0)) do
        local app = key:match(" (.*)$")
        if app and not set[app] then said:delete(key) end
      end
    elseif verb == "ports" then
      local ok, problem = said:safe_set("ports", name)
      if not ok then return refuse(507, problem) end
    elseif verb == "revision" then
      said:set("revision", name)
    else
      return refuse(400, "not understood")
    end
  end
  ngx.print("done")
end

package.loaded.avishkar = module
return module
