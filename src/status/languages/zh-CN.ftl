# 简体中文。

language-name = 中文

### 每个页面

skip = 跳到正文
nav = 页面
nav-series = 序列
nav-destinations = 目的地与发送方
nav-box = 设备
nav-log = 日志
languages = 语言
clock-synchronised = 已同步
clock-unknown = 同步状态未知
offline = 自 { $since } 起与设备失去连接。当前显示的内容可能已过时。
footer = 结果由软件生成，未经医师核实，不用于诊断。
version = Hepar { $version }

### 状态灯

light-ready = 就绪
light-loading = 正在接收；模型加载中
light-not-receiving = 无法接收：{ $reason }
light-not-segmenting = 正在接收，无法分割：{ $reason }
light-not-delivering = { $destination }：{ $reason }，自 { $since } 起；{ $waiting } 个结果等待发送，无丢失
advice-ready = 接收、分割和发送均正常。无需操作。
advice-loading = 序列已接收并保存；模型通过检查后立即开始分割。
advice-not-receiving = 扫描仪会保留序列并重试。请联系设备工程师：设备磁盘空间不足。
advice-not-segmenting = 序列已接收并保存，没有丢失。请联系设备工程师：模型或加速器需要维护。
advice-not-delivering = 没有丢失任何结果；对方恢复应答后会自动发送。请询问 PACS 管理员其是否正在运行且可以连接。

### 首页

engine-line = { $engine }，运行于 { $device }
model-line = 模型 { $model } { $version }，不用于诊断
no-model = 尚未加载模型
recent = 最近的序列
column-time = 接收时间
column-scanner = 扫描仪
column-series = 序列
column-progress = 进度
column-result = 结果
nothing-received = 尚未收到任何序列。向本设备发送 CT 序列后，将显示在这里。
anyone-may-send = 网络上任何人都可以发送：尚未配置发送方。
series-untitled = 无描述的序列
accession = 检查号 { $number }
state-receiving = 接收中
state-queued = 等待引擎
state-segmenting = 分割中
state-delivering = 发送中
state-delivered = 完成
state-ignored = 已忽略
state-refused = 已拒绝
state-failed = 失败
step-received = 已接收 { $n }
step-segmented = 已分割 { $n }/{ $of }
step-not-sent = 尚未发送
step-sending = 已发送 { $n }/{ $of }
step-sent = 已发送 { $n }/{ $of }
step-kept = 保存在本机
row-result = 肝脏 { $liver } ml，{ $lesions ->
        [0] 未发现病灶
       *[other] { $lesions } 个病灶，{ $tumour } ml
    }
row-after = 最后一层之后 { $seconds } 秒
todo-refused = 该序列无法得出正确结果。如果该扫描有其他重建序列，请发送另一个。
todo-resend = 请从扫描仪重新发送该序列。
todo-service = 请联系设备工程师。序列已保存，可以重新分割。
todo-send-again = 请就上述应答询问 PACS 管理员，然后打开该序列并重新发送结果。
todo-undelivered = 无需操作：目的地恢复应答后会自动发送。
todo-wait = 将自动重试。
set-apart = 已保存但无法读取
set-apart-explained = 这些对象已接收并保存，但无法读取。如果持续出现，请联系扫描仪售后。
column-instance = 对象
column-why = 原因
