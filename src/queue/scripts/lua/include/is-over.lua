-- Whether the state that a worker has written is final.
local function isOver(state) return state and state ~= 'queued' and state ~= 'running' end
