/** The live page: shows the state of the server as it changes, and sends requests for its forms. */
import { render } from "preact"
import { useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks"
import type { CardActions } from "./card.js"
import { repeat } from "./commands.js"
import { Faults, liveRules } from "./faults.js"
import { Jobs, jobOfHash } from "./jobs.js"
import { Extend, Player } from "./player.js"
import { Requests } from "./requests.js"
import { deleteJob, type Listener, listen, setKey } from "./server.js"
import { initial, reduce, type State } from "./state.js"
import { shortText } from "./ui.js"

const connections: { readonly [connection in State["connection"]]: string } = {
  connecting: "Connecting",
  live: "Live",
  waiting: "Not connected, trying again",
  locked: ""
}

const KeyForm = ({ onKey, wasRefused }: { readonly onKey: (key: string) => void; readonly wasRefused: boolean }) => {
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => input.current?.focus(), [])
  return (
    <form
      class="panel key"
      onSubmit={(event) => {
        event.preventDefault()
        onKey(input.current?.value ?? "")
        if (input.current !== null) input.current.value = ""
      }}
    >
      <label for="key">API key</label>
      <input
        ref={input}
        id="key"
        type="password"
        autoComplete="off"
        spellcheck={false}
        required
        aria-describedby="key-hint"
      />
      <button type="submit">Show the server</button>
      <p id="key-hint" class="hint">
        This server needs a key. The page keeps it in memory until it is closed.
      </p>
      {wasRefused ? (
        <p class="problem" role="alert">
          The server does not know this key.
        </p>
      ) : null}
    </form>
  )
}

/** How long a deletion can be undone. */
const undoMillis = 8000

/** A deletion is sent after a while, or when the page closes or the next one begins. */
const useDeletion = (send: (id: string) => void) => {
  const [removed, setRemoved] = useState<string | null>(null)
  const undo = useRef<HTMLButtonElement>(null)
  const cancel = useRef(() => {})
  useEffect(() => {
    if (removed === null) return
    undo.current?.focus()
    let isSent = false
    const flush = () => {
      if (isSent) return
      isSent = true
      send(removed)
    }
    const timer = setTimeout(() => {
      flush()
      if (document.activeElement === undo.current) document.getElementById("jobs-title")?.focus()
      setRemoved(null)
    }, undoMillis)
    addEventListener("pagehide", flush)
    cancel.current = () => {
      isSent = true
      setRemoved(null)
    }
    return () => {
      clearTimeout(timer)
      removeEventListener("pagehide", flush)
      // The next deletion ends this one; an undo has set `isSent`.
      flush()
    }
  }, [removed])
  return { removed, remove: setRemoved, cancel: () => cancel.current(), undo }
}

/** Part of the page that the address names: a job, the requests, or the jobs. */
const useHash = (): string => {
  const [hash, setHash] = useState(location.hash)
  useEffect(() => {
    const read = () => setHash(location.hash)
    addEventListener("hashchange", read)
    return () => removeEventListener("hashchange", read)
  }, [])
  return hash
}

const Page = () => {
  const [state, dispatch] = useReducer(reduce, initial)
  const { connection, news, requests, rules, server, total } = state
  const hash = useHash()
  const [focused, setFocused] = useState<string | null>(jobOfHash(location.hash))
  const [dialog, setDialog] = useState<{
    readonly kind: "play" | "extend"
    readonly id: string
    readonly step: number
    /** Of its own for each: the next may be opened before the event that this one has closed. */
    readonly key: symbol
  } | null>(null)
  const [isFaultsOpen, setFaultsOpen] = useState(false)
  const [requestsOf, setRequestsOf] = useState("")
  const [problems, setProblems] = useState<ReadonlyMap<string, string>>(new Map())
  const [tries, setTries] = useState(0)

  useEffect(() => {
    const listener: Listener = {
      onFrame: (frame) => dispatch({ frame }),
      onState: (connection) => dispatch({ connection })
    }
    void listen(listener)
  }, [tries])

  useEffect(() => {
    const id = jobOfHash(hash)
    // A card that was there when the address changed has had the focus from the browser, and may have lost it to the next.
    if (id !== null && document.querySelector(".card:target") === null) setFocused(id)
  }, [hash])

  // Functions of the actions read the newest state: they stay the same, so cards need not be drawn again.
  const latest = useRef(state)
  latest.current = state

  // A card stays hidden after its deletion is sent, until the server refuses it.
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set())
  const show = (id: string) => setHidden((all) => new Set([...all].filter((each) => each !== id)))
  const deletion = useDeletion(async (id) => {
    const { server } = latest.current
    const outcome = server === null ? null : await deleteJob(server, id)
    if (outcome === null || outcome.ok) return
    setProblems((all) => new Map([...all, [id, outcome.problem]]))
    show(id)
  })

  const actions = useMemo(
    (): CardActions => ({
      play: (id, step) => setDialog({ kind: "play", id, step, key: Symbol() }),
      extend: (id) => setDialog({ kind: "extend", id, step: 0, key: Symbol() }),
      retry: async (id) => {
        const { jobs, server } = latest.current
        const job = jobs.get(id)
        if (server === null || job === undefined) return "Not connected"
        const outcome = await repeat(server, job)
        if (!outcome.ok) return outcome.problem
        setFocused(outcome.id)
        return null
      },
      remove: (id) => {
        setProblems((all) => new Map([...all].filter(([key]) => key !== id)))
        setHidden((all) => new Set([...all, id]))
        deletion.remove(id)
      },
      showRequests: (id) => {
        setRequestsOf(id)
        location.hash = "requests"
      },
      promptOf: (id) => latest.current.jobs.get(id)?.prompt
    }),
    []
  )

  const newestFirst = useMemo(
    () => [...state.jobs.values()].filter(({ id }) => !hidden.has(id)).reverse(),
    [state.jobs, hidden]
  )
  const isLocked = connection === "locked"
  const isRequests = hash === "#requests"
  const closeDialog = () => {
    setDialog((open) => (open === dialog ? null : open))
    // The player may have opened this dialog, and is gone.
    if (dialog !== null && document.activeElement === document.body) setFocused(dialog.id)
  }
  const inDialog = dialog === null ? undefined : state.jobs.get(dialog.id)
  const canExtend = server?.operations.includes("extend") ?? false
  const removed = deletion.removed === null ? undefined : state.jobs.get(deletion.removed)
  const isKnown = server !== null && !isLocked

  return (
    <>
      <header>
        <h1>effect-videos</h1>
        <p id="where">
          {location.host}
          {server === null || server.dialect === "openai" ? "" : `, like ${server.dialect}`}
        </p>
        {isKnown ? (
          <nav aria-label="Views">
            <a href="#jobs" aria-current={isRequests ? undefined : "page"}>
              Jobs {total}
            </a>
            <a href="#requests" aria-current={isRequests ? "page" : undefined}>
              Requests
            </a>
            <button
              type="button"
              class="to-faults"
              onClick={() => {
                setFaultsOpen(true)
                document.getElementById("faults")?.scrollIntoView()
              }}
            >
              Faults: {liveRules(rules).length} on
            </button>
          </nav>
        ) : null}
        <p class="connection" role="status" data-state={connection} hidden={isLocked}>
          {connections[connection]}
        </p>
      </header>
      {isLocked ? (
        <KeyForm
          wasRefused={tries > 0}
          onKey={(key) => {
            setKey(key)
            setTries(tries + 1)
          }}
        />
      ) : null}
      {isKnown ? (
        <main>
          <Faults rules={rules} isOpen={isFaultsOpen} onToggle={setFaultsOpen} />
          {isRequests ? (
            <Requests requests={[...requests.values()]} jobs={state.jobs} job={requestsOf} onJob={setRequestsOf} />
          ) : (
            <Jobs
              server={server}
              jobs={newestFirst}
              total={total}
              actions={actions}
              focused={focused}
              onFocus={setFocused}
              problems={problems}
            />
          )}
        </main>
      ) : null}
      {inDialog === undefined || dialog === null || server === null ? null : dialog.kind === "play" ? (
        <Player
          key={dialog.key}
          job={inDialog}
          step={dialog.step}
          canExtend={canExtend}
          actions={actions}
          onClose={closeDialog}
        />
      ) : (
        <Extend
          key={dialog.key}
          job={inDialog}
          server={server}
          onMade={(id) => {
            setDialog(null)
            setFocused(id)
          }}
          onClose={closeDialog}
        />
      )}
      {removed === undefined ? null : (
        <div class="toast" role="status">
          Deleted “{shortText(removed.prompt)}”
          <button
            type="button"
            ref={deletion.undo}
            onClick={() => {
              deletion.cancel()
              show(removed.id)
              setFocused(removed.id)
            }}
          >
            Undo
          </button>
        </div>
      )}
      <p class="unseen" role="status">
        {news}
      </p>
    </>
  )
}

const root = document.getElementById("page")
if (root !== null) render(<Page />, root)
